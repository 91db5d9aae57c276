// Dropout's masks, from random bits to numbers in one pass.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "random.h"

namespace {

constexpr int64_t WORD = 64, LANES = 16;
constexpr int64_t TOGETHER = 64;    // words that are drawn at a time
constexpr int64_t SMALL = 1 << 14;  // entries below which another thread costs more than it gains

template <typename Value>
void fill(const uint64_t* keys, int64_t share, int64_t first, int64_t rows, int64_t length, Value value, Value* out) {
  typedef Value Lanes __attribute__((vector_size(LANES * sizeof(Value))));
  const Lanes places = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  const int64_t words = (length + WORD - 1) / WORD, blocks = (words + TOGETHER - 1) / TOGETHER;
#pragma omp parallel for schedule(static) if (rows * length > SMALL)
  for (int64_t at = 0; at < rows * blocks; ++at) {
    const int64_t row = at / blocks, begin = at % blocks * TOGETHER, count = std::min(words - begin, TOGETHER);
    uint64_t drawn[TOGETHER];
    random_bits(keys, share, (static_cast<uint64_t>(first + row) << 32) + begin, 1, count, drawn);
    for (int64_t word = 0; word < count; ++word) {
      const int64_t place = (begin + word) * WORD;
      Value spread[WORD], *to = out + row * length + place;
      for (int64_t lane = 0; lane < WORD; lane += LANES) {
        const Lanes chosen = (Lanes)(((Lanes{} + static_cast<uint16_t>(drawn[word] >> lane)) & places) != 0) & value;
        std::memcpy(spread + lane, &chosen, sizeof chosen);
      }
      std::copy_n(spread, std::min(length - place, WORD), to);
    }
  }
}

}  // namespace

extern "C" {

// out[n, i] = value with probability share / 2^16, else 0; values are the bits of numbers of 2, 4 or 8 bytes. Row n, `first`
// rows come before it, has the places from (first + n) 2^32 on, so that its draws do not depend on how long rows are.
void dropout_mask(const uint64_t* keys, int64_t share, int64_t first, int64_t rows, int64_t length, int64_t bytes,
                  int64_t value, void* out) {
  if (bytes == 2) fill(keys, share, first, rows, length, static_cast<uint16_t>(value), static_cast<uint16_t*>(out));
  if (bytes == 4) fill(keys, share, first, rows, length, static_cast<uint32_t>(value), static_cast<uint32_t*>(out));
  if (bytes == 8) fill(keys, share, first, rows, length, static_cast<uint64_t>(value), static_cast<uint64_t*>(out));
}
}
