// Times OpenBLAS on the products of BenchmarkGemm. usage: openblas THREADS SECONDS
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static float *noise(size_t n) {
	float *x = aligned_alloc(64, (4 * n + 63) / 64 * 64);
	for (size_t i = 0; i < n; i++) x[i] = rand() / (float)RAND_MAX - 0.5f;
	return x;
}

int main(int argc, char **argv) {
	if (argc != 3) return 2;
	int threads = atoi(argv[1]), sizes[][3] = {{1024, 1024, 1024}, {197, 768, 3072}, {1576, 384, 1536}};
	openblas_set_num_threads(threads);
	fprintf(stderr, "%s, core %s\n", openblas_get_config(), openblas_get_corename());
	for (int i = 0; i < 3; i++) {
		int m = sizes[i][0], k = sizes[i][1], n = sizes[i][2], runs = -1;
		float *a = noise((size_t)m * k), *b = noise((size_t)k * n), *c = noise((size_t)m * n);
		double began = 0, took;
		do { // a first run is not timed
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n);
			if (++runs == 0) began = now();
		} while (runs == 0 || (took = now() - began) < atof(argv[2]));
		printf("BenchmarkGemm/%dx%dx%d", m, k, n);
		if (threads > 1) printf("-%d", threads);
		printf(" %d %.0f ns/op %.4g GFLOP/s\n", runs, 1e9 * took / runs, 2e-9 * m * k * n * runs / took);
		free(a); free(b); free(c);
	}
}
