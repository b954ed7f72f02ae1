import { applicationIdOf, beeTopic, gatewayTopic, ownTopics } from '../../topic-names.ts'
import type { WaggleError } from '../../waggle-error.ts'
import type { CheckedSwarm, SwarmBee } from '../checked-swarm.ts'
import { mistakeAt } from '../swarm-document.ts'

/**
 * Finds the places where this file names an internal topic of any swarm, which is not allowed. `indexes` gives each bee's place in the file's list,
 * because bees of unknown types are left out.
 */
export function topicMistakes(swarm: CheckedSwarm, indexes: readonly number[]): readonly WaggleError[] {
  const read = new Map(swarm.bees.flatMap((bee) => (bee.type.role === 'gateway' ? namedTopics(bee).map((topic) => [topic, bee] as const) : [])))
  return swarm.bees.flatMap((bee, at) =>
    namedTopics(bee).flatMap((topic) => {
      const wrong = bee.type.role === 'gateway' ? wrongInput(topic, swarm) : wrongOutput(topic, swarm, read)
      return wrong === null ? [] : [mistakeAt(swarm.document.place(['bees', indexes[at] ?? at, 'spec', 'topic']), ...wrong)]
    }),
  )
}

type Wrong = readonly [message: string, next: string]

function wrongInput(topic: string, swarm: CheckedSwarm): Wrong | null {
  if (topic === '.' || topic === '..') return noName(topic)
  if (isOf(topic, swarm)) return [`${topic} is a topic of this swarm itself`, 'Read a bee with input: { name: <bee> }, or name a topic of your own.']
  if (isInternal(topic) || ownTopics.includes(topic)) return [`${topic} is a topic that Waggle keeps for itself`, 'Name a topic of your own.']
  return null
}

function wrongOutput(topic: string, swarm: CheckedSwarm, read: ReadonlyMap<string, SwarmBee>): Wrong | null {
  if (topic === '.' || topic === '..') return noName(topic)
  const reader = read.get(topic)
  if (reader !== undefined) return [`${reader.name} reads ${topic}: each request would come in again and again`, 'Write to another topic.']
  if (isOf(topic, swarm)) return [`${topic} is a topic of this swarm itself`, 'Write to a topic of your own, whose name does not begin with waggle.']
  // A file may name the gateway topic of another swarm. This topic is an entrance for everybody who may write to it.
  if (topic.startsWith('waggle.') && !topic.startsWith(gatewayTopic('')))
    return [
      `${topic} is a topic that a swarm keeps for itself`,
      'Write to a topic whose name does not begin with waggle., or to a gateway: waggle.gateway.<name>.',
    ]
  return null
}

function noName(topic: string): Wrong {
  return [`${topic} is not a topic`, 'Use letters, digits, ".", "_" and "-".']
}

function isOf(topic: string, { name, bees }: CheckedSwarm): boolean {
  const application = applicationIdOf(name)
  return (
    topic.startsWith(beeTopic(name, '')) ||
    (topic.startsWith(`${application}-`) && isInternal(topic)) ||
    bees.some((bee) => bee.type.role === 'gateway' && typeof bee.spec.name === 'string' && topic === gatewayTopic(bee.spec.name))
  )
}

/** True for a changelog, a repartition topic or an answers topic of any swarm. */
function isInternal(topic: string): boolean {
  return /^waggle\.[a-z0-9-]+-(changelog|repartition|answers|parts)$/.test(topic)
}

function namedTopics({ type, spec }: SwarmBee): readonly string[] {
  return (type.role === 'gateway' || type.role === 'output') && typeof spec.topic === 'string' ? [spec.topic] : []
}
