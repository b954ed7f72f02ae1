import { WaggleError } from './waggle-error.ts'

/** The error for a call of a closed log. */
export function closedLog(): WaggleError {
  return new WaggleError('WAGGLE_CLOSED', { message: 'The log is closed', next: 'Open the log again.' })
}

/** The error for a commit whose records depend on records that another application took back. */
export function commitDropped(): WaggleError {
  return new WaggleError('WAGGLE_COMMIT_DROPPED', {
    message: 'Another application of this process went back to its last commit',
    next: 'Nothing: the records are done again.',
  })
}

/** The error for a topic that exists with another number of partitions. */
export function renumbered(topic: string, { has, wanted }: { readonly has: number; readonly wanted: number }): WaggleError {
  return new WaggleError('WAGGLE_TOPIC_MISMATCH', {
    message: `The topic ${topic} has ${has} partitions, where ${wanted} are wanted`,
    next: `Set the number back to ${has} (WAGGLE_PARTITIONS, or numberOfPartitions of a repartition), give the repartition or the swarm another name, or start with another data directory.`,
  })
}
