// Sums of the rows of a table that numbers name, and the gradient of the table.
//
// Column k of a place names row starts[k] + number; number 0 names none. Threads share out places on the way there and
// rows of the table on the way back, so that nothing depends on their number.
#include <cstdint>

extern "C" void indicators_forward(int64_t places, int64_t fields, int64_t units, const int32_t* numbers,
                                   const int64_t* starts, const float* table, float* y) {
#pragma omp parallel for schedule(static)
  for (int64_t place = 0; place < places; ++place) {
    float* __restrict to = y + place * units;
    for (int64_t u = 0; u < units; ++u) to[u] = 0.0f;
    for (int64_t k = 0; k < fields; ++k) {
      const int32_t number = numbers[place * fields + k];
      if (!number) continue;
      const float* __restrict row = table + (starts[k] + number) * units;
      for (int64_t u = 0; u < units; ++u) to[u] += row[u];
    }
  }
}

// `slope` holds zeros.
extern "C" void indicators_backward(int64_t places, int64_t fields, int64_t units, const int32_t* numbers,
                                    const int64_t* starts, const float* gradient, int64_t rows, int64_t parts,
                                    float* slope) {
#pragma omp parallel for schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
    for (int64_t place = 0; place < places; ++place) {
      const float* __restrict from = gradient + place * units;
      for (int64_t k = 0; k < fields; ++k) {
        const int32_t number = numbers[place * fields + k];
        const int64_t row = starts[k] + number;
        if (!number || row < begin || row >= end) continue;
        float* __restrict to = slope + row * units;
        for (int64_t u = 0; u < units; ++u) to[u] += from[u];
      }
    }
  }
}
