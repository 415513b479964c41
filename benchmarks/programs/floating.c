/* Floating point in double precision: the scalar SSE2 code a compiler makes for any x86-64. */
#include "benchmarks/programs/bench.h"

#include <math.h>
#include <string.h>

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

uint64_t bench_matmul(void)
{
    enum { N = 240 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 / (i + j + 1);
            b[i][j] = (i * 7 + j * 3) % 11;
        }
    for (int pass = 0; pass < 48; pass++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        a[pass][pass] += c[N - 1 - pass][pass] * 1e-3;
    }
    return bits_of(c[N / 2][N / 3]);
}

struct body {
    double position[3], velocity[3], mass;
};

static void nbody_step(struct body *bodies, int count, double dt)
{
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = bodies[i].position[k] - bodies[j].position[k];
                square += d[k] * d[k];
            }
            double magnitude = dt / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                bodies[i].velocity[k] -= d[k] * bodies[j].mass * magnitude;
                bodies[j].velocity[k] += d[k] * bodies[i].mass * magnitude;
            }
        }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].position[k] += dt * bodies[i].velocity[k];
}

/* A heavy body and four light ones around it: divisions and square roots. */
uint64_t bench_nbody(void)
{
    struct body bodies[5] = {
        {{0, 0, 0}, {0, 0, 0}, 40},        {{5, 0, 0.1}, {0, 2.7, 0}, 0.04},    {{-9, 1, 0}, {0, -2.0, 0.1}, 0.01},
        {{0, 14, 0}, {-1.6, 0, 0}, 0.002}, {{0, -20, 0.5}, {1.4, 0, 0}, 0.002},
    };
    for (int i = 0; i < 3000000; i++)
        nbody_step(bodies, 5, 0.001);
    return bits_of(bodies[1].position[0]);
}
