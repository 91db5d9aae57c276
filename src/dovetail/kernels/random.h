// Random bits as a function of keys and a place alone.
#pragma once
#include <cstdint>

// SplitMix64's stream of a key at any place (Steele, Lea and Flood, 2014)
inline uint64_t random_word(uint64_t key, uint64_t place) {
  uint64_t z = key + (place + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// Words of bits that are 1 with probability share / 2^16, of the places first, first + apart, ...: a random word of each key
// decides the digits of the share from the last to the first, and digits after the last 1 need none.
inline void random_bits(const uint64_t* keys, int64_t share, uint64_t first, uint64_t apart, int64_t count,
                        uint64_t* drawn) {
  int digit = 0;
  while (digit < 16 && !((share >> digit) & 1)) ++digit;
  for (int64_t i = 0; i < count; ++i) drawn[i] = digit == 16 ? ~0ull : 0;
  for (; digit < 16; ++digit) {
    const bool one = (share >> digit) & 1;
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t random = random_word(keys[digit], first + i * apart);
      drawn[i] = one ? drawn[i] | random : drawn[i] & random;
    }
  }
}
