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
