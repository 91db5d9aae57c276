// Eight numbers at a time, and exp and log of them to a relative 1e-7.
#pragma once
#include <cstdint>
#include <cstring>

constexpr int LANES = 8;
typedef float Lanes __attribute__((vector_size(32)));
typedef int32_t Whole __attribute__((vector_size(32)));
typedef float Loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t LooseWhole __attribute__((vector_size(32), aligned(4), may_alias));

constexpr float NOTHING = -1e30f;  // stands for minus infinity, so that differences stay numbers
constexpr float SCARCE = -1e29f;   // whatever is below is nothing

inline Lanes load(const float* from) { return *reinterpret_cast<const Loose*>(from); }
inline void store(float* to, Lanes value) { *reinterpret_cast<Loose*>(to) = value; }
inline Lanes spread(float value) { return Lanes{} + value; }
inline Lanes choose(Whole where, Lanes yes, Lanes no) { return where ? yes : no; }
inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

inline bool any(Whole where) {
  typedef int64_t Pairs __attribute__((vector_size(32)));
  const Pairs pairs = (Pairs)where;
  return (pairs[0] | pairs[1] | pairs[2] | pairs[3]) != 0;
}

// e^x, 0 below -87 (Cephes' polynomial)
inline Lanes exponential(Lanes x) {
  const Whole dead = x < -87.0f;
  x = choose(dead, spread(-87.0f), x);
  const Lanes magic = spread(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Lanes rounded = x * 1.44269504088896341f + magic;
  const Lanes n = rounded - magic;
  const Lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Lanes p = spread(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Lanes scale = (Lanes)(((Whole)rounded << 23) + (127 << 23));
  return choose(dead, Lanes{}, p * scale);
}

// log x of normal x > 0 (Cephes' polynomial)
inline Lanes logarithm(Lanes x) {
  Whole bits = (Whole)x;
  Whole exponent = (bits >> 23) - 127;
  Lanes m = (Lanes)((bits & 0x007fffff) | 0x3f800000);
  const Whole high = m > 1.41421356f;
  m = choose(high, m * 0.5f, m);
  exponent -= high;  // true is -1
  const Lanes e = __builtin_convertvector(exponent, Lanes), z = m - 1.0f;
  Lanes p = spread(7.0376836292e-2f);
  p = p * z - 1.1514610310e-1f;
  p = p * z + 1.1676998740e-1f;
  p = p * z - 1.2420140846e-1f;
  p = p * z + 1.4249322787e-1f;
  p = p * z - 1.6668057665e-1f;
  p = p * z + 2.0000714765e-1f;
  p = p * z - 2.4999993993e-1f;
  p = p * z + 3.3333331174e-1f;
  return z + (z * z * z * p + e * -2.12194440e-4f - 0.5f * z * z) + e * 0.693359375f;
}

inline float exponential(float x) { return exponential(spread(x))[0]; }
inline float logarithm(float x) { return logarithm(spread(x))[0]; }

// what an input of minus infinity becomes; a NaN stays one
inline float bounded(float value) { return value < NOTHING ? NOTHING : value; }
