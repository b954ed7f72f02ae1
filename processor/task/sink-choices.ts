import { WaggleError } from '../../topology/waggle-error.ts'

/** Refuses the result of a user's topic function if it is not a topic name. */
export function refuseNoTopic(topic: unknown): void {
  if (typeof topic === 'string' && topic !== '') return
  throw new WaggleError(topic === undefined ? 'WAGGLE_UNDEFINED_VALUE' : 'WAGGLE_INVALID_TOPIC', {
    message: `The function that names the topic returned ${JSON.stringify(topic)}`,
    next: 'Return the name of a topic; filter the records that go nowhere in front of the sink.',
  })
}

/** Refuses the result of a user's partitioner if it is not a partition of the topic. */
export function refuseOutside(chosen: unknown, topic: string, partitions: number): void {
  if (chosen === undefined) {
    throw new WaggleError('WAGGLE_UNDEFINED_VALUE', {
      message: `The partitioner of ${topic} returned undefined`,
      next: 'Return a partition, a list of partitions, or null for the default.',
    })
  }
  for (const partition of chosen as readonly number[]) {
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) continue
    throw new WaggleError('WAGGLE_INVALID_PARTITION', {
      message: `The partitioner chose partition ${partition} of ${topic}, which has ${partitions}`,
      next: 'Let the partitioner return a number below the number of partitions that it gets.',
    })
  }
}
