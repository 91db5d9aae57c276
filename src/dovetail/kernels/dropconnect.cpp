// Products with a weight matrix of which every example has its own mask, for DropConnect.
//
// Rows are padded to whole words of 64 entries. The mask is one bit an entry, [examples, outputs, words]; it is read
// once a product and never spread out. Every sum has one fixed order, whatever the number of threads.
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16, WORD = 64, PARTS = WORD / LANES;
constexpr int ROWS = 4;  // that are worked on together, so that their sums fill the registers
constexpr int64_t TOGETHER = 512;  // words of a mask that are drawn while they are in the nearest cache
typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t Bits __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4), may_alias));

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

// SplitMix64's stream of a key at any place (Steele, Lea and Flood, 2014)
inline uint64_t random_word(uint64_t key, uint64_t place) {
  uint64_t z = key + (place + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// how far apart the neighbours along an axis lie in the gradient, the mask and a matrix of rows
struct Strides {
  int64_t gradient, mask, matrix;
};

// the products of one row of x with R rows of w
template <int R>
void forward(const float* x, const float* w, const uint64_t* mask, int64_t words, float* y) {
  Lanes sums[R][2] = {};
  for (int64_t k = 0; k < words; ++k) {
    Lanes values[PARTS];
    for (int part = 0; part < PARTS; ++part) values[part] = load(x + k * WORD + part * LANES);
    for (int r = 0; r < R; ++r) {
      uint16_t bits[PARTS];
      std::memcpy(bits, mask + r * words + k, sizeof bits);
      const float* weights = w + (r * words + k) * WORD;
      for (int part = 0; part < PARTS; ++part)
        sums[r][part & 1] = add_masked(sums[r][part & 1], load(weights + part * LANES), values[part], bits[part]);
    }
  }
  for (int r = 0; r < R; ++r) y[r] = total(sums[r][0] + sums[r][1]);
}

// one word's width of R rows of the sums over `length` of gradient x mask x matrix
template <int R>
void backward(const float* gradient, const float* matrix, const uint64_t* mask, int64_t length, Strides row,
              Strides along, float* sums_out) {
  Lanes sums[R][PARTS] = {};
  for (int64_t at = 0; at < length; ++at) {
    Lanes values[PARTS];
    for (int part = 0; part < PARTS; ++part) values[part] = load(matrix + at * along.matrix + part * LANES);
    for (int r = 0; r < R; ++r) {
      uint16_t bits[PARTS];
      std::memcpy(bits, mask + at * along.mask + r * row.mask, sizeof bits);
      const Lanes factor = spread(gradient[at * along.gradient + r * row.gradient]);
      for (int part = 0; part < PARTS; ++part)
        sums[r][part] = add_masked(sums[r][part], values[part], factor, bits[part]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int part = 0; part < PARTS; ++part) store(sums_out + r * row.matrix + part * LANES, sums[r][part]);
}

// sums[row, i] = sum along of gradient[row, along] mask[row, along, i] matrix[along, i]
void backward(const float* gradient, const float* matrix, const uint64_t* mask, int64_t rows, int64_t length,
              int64_t words, Strides row, Strides along, float* sums) {
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < rows; first += ROWS) {
    const bool whole = rows - first >= ROWS;
    for (int64_t k = 0; k < words; ++k)
      for (int64_t r = first; r < (whole ? first + 1 : rows); ++r)
        (whole ? backward<ROWS> : backward<1>)(gradient + r * row.gradient, matrix + k * WORD,
                                               mask + r * row.mask + k, length, row, along,
                                               sums + r * row.matrix + k * WORD);
  }
}

}  // namespace

extern "C" {

// Bits that are 1 with probability share / 2^16: a word decides the digits of the share from the last to the first, and
// digits after the last 1 need none.
void dropconnect_mask(const uint64_t* keys, int64_t share, int64_t first, int64_t count, uint64_t* mask) {
  int digit = 0;
  while (digit < 16 && !((share >> digit) & 1)) ++digit;
#pragma omp parallel for schedule(static)
  for (int64_t begin = 0; begin < count; begin += TOGETHER) {
    const int64_t length = count - begin < TOGETHER ? count - begin : TOGETHER;
    uint64_t words[TOGETHER];
    for (int64_t i = 0; i < length; ++i) words[i] = digit == 16 ? ~0ull : 0;
    for (int at = digit; at < 16; ++at) {
      const bool one = (share >> at) & 1;
      for (int64_t i = 0; i < length; ++i) {
        const uint64_t random = random_word(keys[at], first + begin + i);
        words[i] = one ? words[i] | random : words[i] & random;
      }
    }
    std::memcpy(mask + begin, words, length * sizeof(uint64_t));
  }
}

// y[n, o] = sum over i of mask[n, o, i] w[o, i] x[n, i]
void dropconnect_forward(const float* x, const float* w, const uint64_t* mask, int64_t examples, int64_t outputs,
                         int64_t words, float* y) {
#pragma omp parallel for schedule(static)
  for (int64_t o = 0; o < outputs; o += ROWS) {
    const bool whole = outputs - o >= ROWS;
    for (int64_t r = o; r < (whole ? o + 1 : outputs); ++r)
      for (int64_t n = 0; n < examples; ++n)
        (whole ? forward<ROWS> : forward<1>)(x + n * words * WORD, w + r * words * WORD,
                                             mask + (n * outputs + r) * words, words, y + n * outputs + r);
  }
}

// gx[n, i] = sum over o of gy[n, o] mask[n, o, i] w[o, i]
void dropconnect_input(const float* gy, const float* w, const uint64_t* mask, int64_t examples, int64_t outputs,
                       int64_t words, float* gx) {
  const Strides row = {outputs, outputs * words, words * WORD}, along = {1, words, words * WORD};
  backward(gy, w, mask, examples, outputs, words, row, along, gx);
}

// gw[o, i] = sum over n of gy[n, o] mask[n, o, i] x[n, i]
void dropconnect_weight(const float* gy, const float* x, const uint64_t* mask, int64_t examples, int64_t outputs,
                        int64_t words, float* gw) {
  const Strides row = {1, words, words * WORD}, along = {outputs, outputs * words, words * WORD};
  backward(gy, x, mask, outputs, examples, words, row, along, gw);
}
}
