import type { ApplicationHoldings } from '../../connectors/log/kafka/kafka-admin.ts'
import type { SwarmHoldings } from '../beekeeper/swarm-holdings.ts'

export interface LogNames {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** The ids of applications that have stores in the log. */
  readonly applications: readonly string[]
}

/** The topics and groups of an application, found by their names. */
export interface InferredHoldings {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** Groups whose name could also be another application's id. */
  readonly unsure: readonly string[]
}

/**
 * Finds an application's internal topics and groups by their names, as Kafka's `kafka-streams-application-reset` does. Topics and groups of another
 * application are left out if that application's id begins with this id and a hyphen.
 */
export function inferredHoldings(applicationId: string, { topics, groups, applications }: LogNames): InferredHoldings {
  const prefix = `${applicationId}-`
  const near = groups.filter((group) => group.startsWith(prefix))
  const isOfNode = (group: string) => generatedNode.test(group.slice(prefix.length))
  const unsure = near.filter((group) => !isOfNode(group))
  const others = [...applications, ...unsure].filter((id) => id.startsWith(prefix))
  const isOfAnother = (name: string) => others.some((id) => name === id || name.startsWith(`${id}-`))
  return {
    topics: topics.filter((topic) => topic.startsWith(prefix) && /-(changelog|repartition)$/.test(topic) && !isOfAnother(topic)),
    groups: groups.filter((group) => group === applicationId || (near.includes(group) && isOfNode(group))),
    unsure,
  }
}

/**
 * Adds topics and groups of the DSL steps of a swarm's bees, found by their names: changelogs and repartition topics that begin with the
 * application's id, and groups that are named after a step of one of the bees. Names of another swarm are left out if that swarm's id begins with
 * this id and a hyphen.
 */
export function withStepHoldings(applicationId: string, holdings: SwarmHoldings, { topics, groups, applications }: LogNames): ApplicationHoldings {
  if (holdings.stepBees.length === 0) return holdings
  const prefix = `${applicationId}-`
  const isOfStep = (group: string) => holdings.stepBees.some((bee) => group.startsWith(`${prefix}${bee}.`))
  const own = new Set([...holdings.groups, ...groups.filter(isOfStep)])
  // Each swarm has this topic, even while no process of the swarm has joined its groups.
  const swarms = topics.flatMap((topic) => (holdings.topics.includes(topic) ? [] : (/^(.+)-accepted-repartition$/.exec(topic)?.[1] ?? [])))
  const others = [...applications, ...swarms, ...groups.filter((group) => !own.has(group))].filter((id) => id.startsWith(prefix))
  const isOfAnother = (name: string) => others.some((id) => name === id || name.startsWith(`${id}-`))
  const found = topics.filter((topic) => topic.startsWith(prefix) && /-(changelog|repartition)$/.test(topic) && !isOfAnother(topic))
  return { topics: [...new Set([...holdings.topics, ...found])], groups: [...own] }
}

/** Matches a generated name of a source. If two sub-topologies read the same topic, each has its own group, which is named after its first node. */
const generatedNode = /^K(STREAM|TABLE)-[A-Z-]+-\d{10}$/
