/** The code of an error of Node or of a library, such as `ENOENT`. For an AggregateError, the code of its first error. Empty if there is no code. */
export function errorCode(thrown: unknown): string {
  if (!(thrown instanceof Error)) return ''
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code
  return thrown instanceof AggregateError ? errorCode(thrown.errors[0]) : ''
}
