// The most float32 arithmetic that the cores can do: chains of fused
// multiply-adds in registers. usage: peak NAME THREADS SECONDS
// Compile with -O3 and the instruction set to be measured.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
enum { WIDTH = 16, CHAINS = 16 };
#elif defined(__AVX2__)
enum { WIDTH = 8, CHAINS = 12 };
#else
enum { WIDTH = 4, CHAINS = 16 };
#endif
typedef float vector __attribute__((vector_size(4 * WIDTH)));
enum { STEPS = 4000000 };

static volatile float sink;

static void *work(void *unused) {
	vector sum[CHAINS], x, y, total = {0};
	for (int c = 0; c < CHAINS; c++) // equal chains would be computed once
		for (int i = 0; i < WIDTH; i++) sum[c][i] = 1e-3f * c;
	for (int i = 0; i < WIDTH; i++) { x[i] = 0.999f; y[i] = 1e-4f; }
	for (long n = 0; n < STEPS; n++) {
#pragma GCC unroll 16
		for (int c = 0; c < CHAINS; c++) sum[c] = sum[c] * x + y;
	}
	for (int c = 0; c < CHAINS; c++) total += sum[c];
	sink = total[1];
	return unused;
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
	if (argc != 4) return 2;
	int threads = atoi(argv[2]), runs = 0;
	pthread_t *t = malloc(threads * sizeof *t);
	double began = now(), took;
	do {
		for (int i = 0; i < threads; i++) pthread_create(&t[i], 0, work, 0);
		for (int i = 0; i < threads; i++) pthread_join(t[i], 0);
		runs++;
	} while ((took = now() - began) < atof(argv[3]));
	printf("BenchmarkPeak/%s", argv[1]);
	if (threads > 1) printf("-%d", threads);
	printf(" %d %.0f ns/op %.4g GFLOP/s\n", runs, 1e9 * took / runs, 2e-9 * WIDTH * CHAINS * STEPS * threads * runs / took);
}
