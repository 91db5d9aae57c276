// Products with a weight matrix of which every example has its own mask, for DropConnect.
//
// Rows are padded to whole words of 64 entries. The mask is one bit an entry and lies by words, [words, examples, outputs],
// so that what a word's width of a product needs of it stays in the caches; it is never spread out. Zeros, of which pixels
// and rectified units have many, are passed over. Every sum has one fixed order, whatever the number of threads.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "random.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16, WORD = 64, PARTS = WORD / LANES;
constexpr int ROWS = 8;  // that are worked on together, so that their sums are enough to keep the processor busy
constexpr int64_t TOGETHER = 512;  // words of a mask that are drawn while they are in the nearest cache
typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t Bits __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Part __attribute__((may_alias));  // a word's bits for so many lanes

inline Lanes load(const float* from) { return *reinterpret_cast<const Loose*>(from); }
inline void store(float* to, Lanes value) { *reinterpret_cast<Loose*>(to) = value; }
inline Lanes spread(float value) { return Lanes{} + value; }

// sum + a b where the bits are 1, sum elsewhere
inline Lanes add_masked(Lanes sum, Lanes a, Lanes b, uint16_t bits) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_mask3_fmadd_ps((__m512)a, (__m512)b, (__m512)sum, (__mmask16)bits);
#else
  const Bits place = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  const Bits kept = ((Bits{} + bits) & place) != 0;
  return sum + (Lanes)((Bits)a & kept) * b;
#endif
}

inline float total(Lanes value) {
  float sum = 0;
  for (int lane = 0; lane < LANES; ++lane) sum += value[lane];
  return sum;
}

inline bool is_zero(Lanes value) {
  Bits bits = (Bits)(value != 0.0f);
  int32_t any = 0;
  for (int lane = 0; lane < LANES; ++lane) any |= bits[lane];
  return !any;
}

// For each row the places along it that are not zero, in order, and how many there are
struct Places {
  std::vector<uint32_t> places;
  std::vector<int64_t> counts;

  template <typename Zero>
  Places(int64_t rows, int64_t length, Zero zero) : places(rows * length), counts(rows) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      uint32_t* own = places.data() + row * length;
      int64_t count = 0;
      for (int64_t at = 0; at < length; ++at) {
        own[count] = at;
        count += !zero(row, at);
      }
      counts[row] = count;
    }
  }
};

// the products of an example with R rows of w, which lie [parts, R, LANES], over those parts of its row that are not zero
template <int R>
void forward(const float* x, const uint32_t* parts, int64_t count, const float* w, const uint64_t* mask,
             int64_t examples, int64_t outputs, float* y) {
  Lanes sums[R] = {};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t k = parts[i] / PARTS, part = parts[i] % PARTS;
    const Lanes values = load(x + parts[i] * LANES);
    const float* weights = w + parts[i] * R * LANES;
    const uint64_t* words = mask + k * examples * outputs;
    if (part == 0) __builtin_prefetch(words + outputs);  // of the example behind it
    const Part* bits = reinterpret_cast<const Part*>(words) + part;
    for (int r = 0; r < R; ++r) sums[r] = add_masked(sums[r], load(weights + r * LANES), values, bits[r * PARTS]);
  }
  for (int r = 0; r < R; ++r) y[r] = total(sums[r]);
}

// the products of all examples with R rows of w
template <int R>
void forward_all(const float* x, const Places& filled, const float* w, const uint64_t* mask, int64_t words,
             int64_t examples, int64_t outputs, float* rows, float* y) {
  for (int64_t r = 0; r < R; ++r)
    for (int64_t part = 0; part < words * PARTS; ++part)
      store(rows + (part * R + r) * LANES, load(w + r * words * WORD + part * LANES));
  for (int64_t n = 0; n < examples; ++n)
    forward<R>(x + n * words * WORD, filled.places.data() + n * words * PARTS, filled.counts[n], rows, mask + n * outputs,
               examples, outputs, y + n * outputs);
}

// how far apart the neighbours along an axis lie in the gradient, and in a word's width of the mask
struct Strides {
  int64_t row, along;
};

// sums[row, k] = sum along of gradient[row, along] mask[k, row, along] matrix[along, k], for all words k
void backward(const float* gradient, const float* matrix, const uint64_t* mask, int64_t rows, int64_t length,
              int64_t words, Strides by, float* sums) {
  const Places alive(rows, length, [=](int64_t row, int64_t at) { return gradient[row * by.row + at * by.along] == 0; });
  std::vector<uint8_t> filled(words * length, 0);  // whether a word of the matrix is not all zero
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < words; ++k)
    for (int64_t i = 0; i < length * PARTS; ++i)
      filled[k * length + i / PARTS] |= !is_zero(load(matrix + (i / PARTS * words + k) * WORD + i % PARTS * LANES));
#pragma omp parallel
  {
    std::vector<uint32_t> chosen(length);
    for (int64_t k = 0; k < words; ++k) {
      const uint8_t* counts_for = filled.data() + k * length;
      const bool all = std::find(counts_for, counts_for + length, 0) == counts_for + length;
#pragma omp for schedule(static) nowait
      for (int64_t row = 0; row < rows; ++row) {
        const uint32_t* places = alive.places.data() + row * length;
        int64_t count = alive.counts[row];
        if (!all) {
          int64_t left = 0;
          for (int64_t i = 0; i < count; ++i) {
            chosen[left] = places[i];
            left += counts_for[places[i]];
          }
          places = chosen.data(), count = left;
        }
        const uint64_t* own = mask + k * rows * length + row * by.row;
        Lanes total[PARTS] = {};
        for (int64_t i = 0; i < count; ++i) {
          const int64_t at = places[i];
          uint16_t bits[PARTS];
          std::memcpy(bits, own + at * by.along, sizeof bits);
          const Lanes factor = spread(gradient[row * by.row + at * by.along]);
          const float* values = matrix + (at * words + k) * WORD;
          for (int part = 0; part < PARTS; ++part)
            total[part] = add_masked(total[part], load(values + part * LANES), factor, bits[part]);
        }
        for (int part = 0; part < PARTS; ++part) store(sums + (row * words + k) * WORD + part * LANES, total[part]);
      }
    }
  }
}

}  // namespace

extern "C" {

// Bits that are 1 with probability share / 2^16. The word of an example, output and place in a row is drawn by its number,
// counted in this order; `first` examples come before these.
void dropconnect_mask(const uint64_t* keys, int64_t share, int64_t first, int64_t examples, int64_t outputs,
                      int64_t words, uint64_t* mask) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t k = 0; k < words; ++k)
    for (int64_t n = 0; n < examples; ++n)
      for (int64_t begin = 0; begin < outputs; begin += TOGETHER) {
        const int64_t length = outputs - begin < TOGETHER ? outputs - begin : TOGETHER;
        const uint64_t number = ((first + n) * outputs + begin) * words + k;
        uint64_t drawn[TOGETHER];
        random_bits(keys, share, number, words, length, drawn);
        std::memcpy(mask + (k * examples + n) * outputs + begin, drawn, length * sizeof(uint64_t));
      }
}

// y[n, o] = sum over i of mask[n, o, i] w[o, i] x[n, i]
void dropconnect_forward(const float* x, const float* w, const uint64_t* mask, int64_t words, int64_t examples,
                         int64_t outputs, float* y) {
  const Places filled(examples, words * PARTS, [=](int64_t n, int64_t part) {
    return is_zero(load(x + n * words * WORD + part * LANES));
  });
#pragma omp parallel
  {
    std::vector<float> rows(words * WORD * ROWS);
#pragma omp for schedule(static)
    for (int64_t first = 0; first < outputs; first += ROWS) {
      const bool whole = outputs - first >= ROWS;
      const auto products = whole ? forward_all<ROWS> : forward_all<1>;
      for (int64_t o = first; o < (whole ? first + 1 : outputs); ++o)
        products(x, filled, w + o * words * WORD, mask + o, words, examples, outputs, rows.data(), y + o);
    }
  }
}

// gx[n, i] = sum over o of gy[n, o] mask[n, o, i] w[o, i]
void dropconnect_input(const float* gy, const float* w, const uint64_t* mask, int64_t words, int64_t examples,
                       int64_t outputs, float* gx) {
  backward(gy, w, mask, examples, outputs, words, {outputs, 1}, gx);
}

// gw[o, i] = sum over n of gy[n, o] mask[n, o, i] x[n, i]
void dropconnect_weight(const float* gy, const float* x, const uint64_t* mask, int64_t words, int64_t examples,
                        int64_t outputs, float* gw) {
  backward(gy, x, mask, outputs, examples, words, {1, outputs}, gw);
}
}
