import { WaggleError } from '../../../topology/waggle-error.ts'

export function closedLog(): WaggleError {
  return new WaggleError('WAGGLE_CLOSED', { message: 'The log is closed', next: 'Start Waggle again.' })
}
