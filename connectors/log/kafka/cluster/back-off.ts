/** The wait in milliseconds after this number of failures in a row. It doubles with each failure, up to a limit. */
export function backOffMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(failures, 10))
}

const firstMs = 20
const longestMs = 1000
