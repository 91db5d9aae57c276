// The largest of every 2x2 patch, channels last, and which of the four it was; float32 and bfloat16.
//
// Sixteen channels at a time, the last sixteen overlapping those before where channels are no multiple. The first of
// values alike is taken, and a NaN is the largest, as in PyTorch.
#include <cstdint>

namespace {

constexpr int LANES = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Masks __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef uint8_t Bytes __attribute__((vector_size(16)));

template <class V, class T>
inline V load(const T* from) {
  typedef V Loose __attribute__((aligned(1), may_alias));
  return *reinterpret_cast<const Loose*>(from);
}

template <class V, class T>
inline void store(T* to, V value) {
  typedef V Loose __attribute__((aligned(1), may_alias));
  *reinterpret_cast<Loose*>(to) = value;
}

// bfloat16 is the upper half of a float32
inline Floats floats(const uint16_t* from) { return (Floats)(__builtin_convertvector(load<Halves>(from), Masks) << 16); }
inline Floats floats(const float* from) { return load<Floats>(from); }
inline void put(uint16_t* to, Floats value) {
  typedef uint32_t Words __attribute__((vector_size(64)));
  store(to, __builtin_convertvector((Words)value >> 16, Halves));
}
inline void put(float* to, Floats value) { store(to, value); }

struct Sizes {
  int64_t examples, height, width, channels;
};

template <class T>
void forward(const T* x, Sizes size, T* y, uint8_t* which) {
  const int64_t high = size.height / 2, wide = size.width / 2, channels = size.channels;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < size.examples * high; ++row) {
    const T* top = x + (row / high * size.height + 2 * (row % high)) * size.width * channels;
    for (int64_t u = 0; u < wide; ++u, top += 2 * channels) {
      const T* four[4] = {top, top + channels, top + size.width * channels, top + (size.width + 1) * channels};
      for (int64_t c = 0; c < channels; c += LANES) {
        const int64_t at = c + LANES <= channels ? c : channels - LANES;
        Floats most = floats(four[0] + at);
        Masks place = {};
        for (int k = 1; k < 4; ++k) {
          const Floats one = floats(four[k] + at);
          const Masks better = (one > most) | (one != one);
          most = better ? one : most;
          place = better ? Masks{} + k : place;
        }
        put(y + (row * wide + u) * channels + at, most);
        store(which + (row * wide + u) * channels + at, __builtin_convertvector(place, Bytes));
      }
    }
  }
}

template <class T>
void backward(const T* gradient, const uint8_t* which, Sizes size, T* to) {
  const int64_t high = size.height / 2, wide = size.width / 2, channels = size.channels;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < size.examples * high; ++row) {
    T* top = to + (row / high * size.height + 2 * (row % high)) * size.width * channels;
    for (int64_t u = 0; u < wide; ++u, top += 2 * channels) {
      T* four[4] = {top, top + channels, top + size.width * channels, top + (size.width + 1) * channels};
      for (int64_t c = 0; c < channels; c += LANES) {
        const int64_t at = c + LANES <= channels ? c : channels - LANES;
        const Floats one = floats(gradient + (row * wide + u) * channels + at);
        const Masks place = __builtin_convertvector(load<Bytes>(which + (row * wide + u) * channels + at), Masks);
        for (int k = 0; k < 4; ++k) put(four[k] + at, place == k ? one : Floats{});
      }
    }
  }
}

}  // namespace

extern "C" {

void maxpool_forward_bfloat16(const uint16_t* x, int64_t n, int64_t h, int64_t w, int64_t c, uint16_t* y, uint8_t* at) {
  forward(x, {n, h, w, c}, y, at);
}
void maxpool_forward_float32(const float* x, int64_t n, int64_t h, int64_t w, int64_t c, float* y, uint8_t* at) {
  forward(x, {n, h, w, c}, y, at);
}
void maxpool_backward_bfloat16(const uint16_t* g, const uint8_t* at, int64_t n, int64_t h, int64_t w, int64_t c,
                               uint16_t* to) {
  backward(g, at, {n, h, w, c}, to);
}
void maxpool_backward_float32(const float* g, const uint8_t* at, int64_t n, int64_t h, int64_t w, int64_t c, float* to) {
  backward(g, at, {n, h, w, c}, to);
}
}
