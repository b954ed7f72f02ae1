import type { FailurePolicy } from '../../processor/task/failures.ts'
import type { FailedRecord } from '../../topology/failed-record.ts'
import { deadLetterTopic } from '../../topology/naming.ts'
import { deadLetterHeaders } from '../../topology/swarm/dead-letter.ts'

/**
 * What a swarm does with a record that Waggle's own steps cannot do (what a bee throws never comes here): it is tried three
 * times, since a disk may be well again by then, and put aside as a dead letter, since nothing may stop a partition for good.
 */
export function swarmFailures(swarm: string): FailurePolicy {
  const tries = new Map<string, number>()
  const afterThreeTries = (_: unknown, { node, key }: FailedRecord) => {
    const name = `${node}/${String(key)}`
    const tried = (tries.get(name) ?? 0) + 1
    // What went well at its second try is never heard of again: the oldest of many goes.
    tries.delete(name)
    if (tried < maxTries) tries.set(name, tried)
    for (const oldest of tries.keys()) {
      if (tries.size <= maxRemembered) break
      tries.delete(oldest)
    }
    return tried >= maxTries ? 'resume' : 'fail'
  }
  return {
    deserialization: afterThreeTries,
    processing: afterThreeTries,
    // A reply's topic that is gone comes back no sooner for trying.
    production: (error, record) => (error.code === 'WAGGLE_MISSING_TOPIC' ? 'resume' : afterThreeTries(error, record)),
    deadLetters: { topic: deadLetterTopic(swarm), headers: (error, record) => deadLetterHeaders(error, record.node, record) },
  }
}

const maxTries = 3
const maxRemembered = 10_000
