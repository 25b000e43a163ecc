// SPDX-License-Identifier: Apache-2.0
// Vector instructions that Swift's SIMD types have no spelling for.
#ifndef CLOCKSTEP_VECTOR_MATH_H
#define CLOCKSTEP_VECTOR_MATH_H

/// Imported as `SIMD16<Float>`.
typedef float clockstep_float16 __attribute__((ext_vector_type(16)));

/// The square roots of 16 numbers, correctly rounded, NaN for negative ones.
///
/// `SIMD16<Float>.squareRoot()` takes each lane through C's `sqrtf`, which has to set `errno`:
/// 16 branches instead of one instruction (Swift 6.3). It can go when Swift's no longer does.
static inline clockstep_float16 clockstep_square_root(clockstep_float16 x) {
  return __builtin_elementwise_sqrt(x);
}

#endif
