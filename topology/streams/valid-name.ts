import { WaggleError } from '../waggle-error.ts'

/** Checks a step's name by Kafka Streams' rule, because the name may become part of a topic's name. */
export function validName(name: string): string {
  if (/^[A-Za-z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..') return name
  throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
    message: `${JSON.stringify(name)} cannot be a name`,
    next: 'Use up to 249 letters, digits, dots, dashes and underscores.',
  })
}
