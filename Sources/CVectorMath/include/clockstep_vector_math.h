// SPDX-License-Identifier: Apache-2.0
// Vector instructions that Swift's SIMD types cannot express.
#ifndef CLOCKSTEP_VECTOR_MATH_H
#define CLOCKSTEP_VECTOR_MATH_H

#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Imported as `SIMD16<Float>`.
typedef float clockstep_float16 __attribute__((ext_vector_type(16)));
/// Imported as `SIMD8<Float>`.
typedef float clockstep_float8 __attribute__((ext_vector_type(8)));
/// Imported as `SIMD8<Double>`.
typedef double clockstep_double8 __attribute__((ext_vector_type(8)));

/// Whether the target has 32 vector registers of 16 floats, which wide tiles need.
#ifdef __AVX512F__
static const int clockstep_has_wide_registers = 1;
#else
static const int clockstep_has_wide_registers = 0;
#endif

/// The square roots of 16 floats, correctly rounded; NaN for negative ones.
///
/// Workaround: `SIMD16<Float>.squareRoot()` calls C's `sqrtf` lane by lane, which has to set `errno`:
/// 16 branches instead of one instruction (Swift 6.3). Remove it when Swift emits the instruction.
static inline clockstep_float16 clockstep_square_root(clockstep_float16 x) {
  return __builtin_elementwise_sqrt(x);
}

/// The square roots of 8 doubles, as above.
static inline clockstep_double8 clockstep_square_root_double(clockstep_double8 x) {
  return __builtin_elementwise_sqrt(x);
}

/// Conversions of 8 floats to doubles, and of 8 doubles to floats.
///
/// Workaround: the initializers of Swift's SIMD types convert lane by lane (Swift 6.3).
static inline clockstep_double8 clockstep_widen(clockstep_float8 x) {
  return __builtin_convertvector(x, clockstep_double8);
}
static inline clockstep_float8 clockstep_narrow(clockstep_double8 x) {
  return __builtin_convertvector(x, clockstep_float8);
}

/// a * b + c, rounded once.
///
/// Workaround: `addingProduct` of Swift's SIMD types works lane by lane (Swift 6.3).
static inline clockstep_float16 clockstep_multiply_add(
    clockstep_float16 a, clockstep_float16 b, clockstep_float16 c) {
  return __builtin_elementwise_fma(a, b, c);
}

/// The same for 8 doubles.
static inline clockstep_double8 clockstep_multiply_add_double(
    clockstep_double8 a, clockstep_double8 b, clockstep_double8 c) {
  return __builtin_elementwise_fma(a, b, c);
}

/// |x| with the sign of `sign`, which may be that of a zero.
static inline clockstep_float16 clockstep_copy_sign(
    clockstep_float16 x, clockstep_float16 sign) {
  return __builtin_elementwise_copysign(x, sign);
}

/// a0 b0 a1 b1 ... a7 b7.
///
/// Swift's SIMD types cannot shuffle two vectors.
static inline clockstep_float16 clockstep_interleave_low(
    clockstep_float16 a, clockstep_float16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/// a8 b8 a9 b9 ... a15 b15.
static inline clockstep_float16 clockstep_interleave_high(
    clockstep_float16 a, clockstep_float16 b) {
  return __builtin_shufflevector(
      a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// The lanes of x whose bit in `lanes` is set, and 0 in the others.
static inline clockstep_float16 clockstep_keep(clockstep_float16 x, unsigned lanes) {
#ifdef __AVX512F__
  return (clockstep_float16)_mm512_maskz_mov_ps((__mmask16)lanes, (__m512)x);
#else
  typedef int clockstep_int16 __attribute__((ext_vector_type(16)));
  const clockstep_int16 bits = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
                                32768};
  return (clockstep_float16)((clockstep_int16)x & (((clockstep_int16)(int)lanes & bits) != 0));
#endif
}

/// Loads the first `count` (1 to 16) of 16 floats; the others are 0, and their memory is not read.
static inline clockstep_float16 clockstep_load_first(const float *_Nonnull from, long count) {
#ifdef __AVX512F__
  return (clockstep_float16)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif defined(__AVX2__)
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lanes);
  const __m256i high = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count - 8), lanes);
  return __builtin_shufflevector(
      _mm256_maskload_ps(from, low), _mm256_maskload_ps(from + 8, high), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
      10, 11, 12, 13, 14, 15);
#else
  clockstep_float16 x = 0;
  memcpy(&x, from, (size_t)count * sizeof(float));
  return x;
#endif
}

/// Stores the first `count` (1 to 16) of 16 floats.
static inline void clockstep_store_first(clockstep_float16 x, float *_Nonnull to, long count) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)x);
#else
  memcpy(to, &x, (size_t)count * sizeof(float));
#endif
}

/// Stores 16 floats with a streaming (non-temporal) store; the address is a multiple of 64 bytes.
static inline void clockstep_stream(clockstep_float16 x, float *_Nonnull to) {
  __builtin_nontemporal_store(x, (clockstep_float16 *)to);
}

/// Orders all earlier streaming stores before all later stores.
static inline void clockstep_stream_fence(void) {
#ifdef __SSE2__
  _mm_sfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/// Prefetches a cache line; the address need not be valid.
static inline void clockstep_prefetch(const float *_Nonnull from) {
  __builtin_prefetch(from);
}

/// Reads a float and discards it, to bring its cache line to this core. Prefetches may be dropped,
/// and of many at once most are (Zen 4).
static inline void clockstep_touch(const float *_Nonnull from) {
  (void)*(const volatile float *)from;
}

#endif
