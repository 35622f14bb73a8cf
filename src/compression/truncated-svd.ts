/** Leading singular triplets: A ≈ left · diag(values) · right. */
export interface SingularTriplets {
  /** [count], descending. */
  readonly values: Float64Array;
  /** [rows, count]; columns are orthonormal, but may be zero where the value is zero. */
  readonly left: Float64Array;
  /** [count, columns]; rows are orthonormal. */
  readonly right: Float64Array;
}

/** A way to find the best approximation of a matrix by one of rank `count` (Eckart-Young). */
export interface TruncatedSvd {
  /** `lapack` or `randomized`. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** Singular values alone, all min(rows, columns) of them. */
  singularValues(a: Float64Array, rows: number, columns: number): Float64Array;
  /**
   * @param a [rows, columns] row-major; its contents are lost
   * @param count at most min(rows, columns)
   */
  decompose(a: Float64Array, rows: number, columns: number, count: number): SingularTriplets;
}
