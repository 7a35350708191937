// Times ONNX Runtime on what export_onnx.py wrote. usage: node ort.cjs ORT_DIR MODELS_DIR THREADS SECONDS,
// where ORT_DIR is a folder in which onnxruntime-node has been installed.
const fs = require('fs'), path = require('path');
const [dir, models, threads, seconds] = process.argv.slice(2);
const ort = require(require.resolve('onnxruntime-node', { paths: [path.resolve(dir)] }));

(async () => {
  for (const file of fs.readdirSync(models).filter(f => f.endsWith('.onnx')).sort()) {
    const name = path.basename(file, '.onnx'), batch = +name.split('_b')[1];
    const session = await ort.InferenceSession.create(path.join(models, file),
      { intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
    const pixels = Float32Array.from({ length: batch * 3 * 224 * 224 }, () => Math.random() - 0.5);
    const x = new ort.Tensor('float32', pixels, [batch, 3, 224, 224]);
    await session.run({ x }); // not timed
    const began = performance.now();
    let runs = 0, took = 0; // milliseconds
    for (; took < 1e3 * seconds; runs++, took = performance.now() - began) await session.run({ x });
    const suffix = threads > 1 ? `-${threads}` : '';
    console.log(`BenchmarkViT/forward/${name}${suffix} ${runs} ${(1e6 * took / runs).toFixed(0)} ns/op ${(1e3 * batch * runs / took).toPrecision(5)} images/s`);
    await session.release();
  }
})();
