/** Causes of a failure, in the words of Waggle and of Kafka Streams. */
const causes: readonly { readonly ours: RegExp; readonly theirs: RegExp }[] = [
  { ours: /WAGGLE_BUFFER_FULL/, theirs: /buffer exceeded its max capacity/ },
  { ours: /A versioned table cannot be suppressed/, theirs: /suppress\(\) is only supported for non-versioned KTables/ },
  { ours: /which keeps its history for/, theirs: /History retention must be at least grace period/ },
  { ours: /overlapping topics that are not the same/, theirs: /overlapping but not equal input topics/ },
]

/** True if a failure of Waggle and one of Kafka Streams have the same known cause. */
export function haveSameCause(ours: unknown, theirs: unknown): boolean {
  return causes.some((cause) => cause.ours.test(told(ours)) && cause.theirs.test(told(theirs)))
}

function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? `${String(error.code)} ` : ''
  return `${code}${error.message}${error.cause === undefined ? '' : ` because of ${told(error.cause)}`}`
}
