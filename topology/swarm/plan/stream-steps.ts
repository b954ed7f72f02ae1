import type { Topology } from '../../graph.ts'
import { deadLetterTopic, internalTopic } from '../../topic-names.ts'
import type { SwarmBee } from '../checked-swarm.ts'
import type { PlannedTopic, SwarmPlan } from './plan.ts'
import type { SubtopologyPlan } from './subtopology-plan.ts'

/**
 * The plan of a swarm, with the stores, topics and sub-topologies of the steps inside its bees of the DSL. `topology` is made from the plan, and has
 * these steps.
 */
export function withStreamSteps(plan: SwarmPlan, topology: Topology): SwarmPlan {
  const bees = plan.bees.filter(({ type }) => type.role === 'stream')
  if (bees.length === 0) return plan
  const named = (topic: string) => (topology.internalTopics.has(topic) ? internalTopic(plan.applicationId, topic) : topic)
  const drawn = topology.subtopologies().flatMap(({ nodes, sources, sinks, stores }): readonly Drawn[] => {
    const bee = bees.find(({ name }) => nodes.some((node) => node.name === name || node.name.startsWith(`${name}.`)))
    if (bee === undefined) return []
    const written = sinks.filter((topic) => topic !== deadLetterTopic(plan.swarm))
    return [{ bee, sources: sources.map(named), sinks: written.map(named), stores: stores.map(({ name }) => name) }]
  })
  const entranceOf = (bee: string) => plan.subtopologies.find(({ steps }) => steps.some((step) => step.kind === 'stream' && step.bee === bee))
  const isEntrance = ({ bee, sources }: Drawn) => sources.some((topic) => entranceOf(bee.name)?.sources.includes(topic) === true)
  const entrances = new Map(drawn.filter(isEntrance).map((one) => [entranceOf(one.bee.name), one]))
  const later = drawn.filter((one) => !isEntrance(one))
  return {
    ...plan,
    subtopologies: [
      ...plan.subtopologies.map((planned) => {
        const { sinks = planned.sinks, stores = [] } = entrances.get(planned) ?? {}
        return { ...planned, sinks, stores: [...planned.stores, ...stores] }
      }),
      ...later.map(({ bee, sources, sinks, stores }, at): SubtopologyPlan => {
        const reason = `inside ${bee.name}: its steps go on behind a topic`
        return { id: plan.subtopologies.length + at, bees: [bee.name], sources, sinks, stores, cut: { kind: 'inside-stream', reason }, steps: [] }
      }),
    ],
    topics: [...plan.topics.map((topic) => usedBy(topic, drawn)), ...newTopics(plan, drawn, topology)],
  }
}

/** A sub-topology as the topology of the swarm has it. */
interface Drawn {
  readonly bee: SwarmBee
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  readonly stores: readonly string[]
}

function usedBy<T extends Pick<PlannedTopic, 'name' | 'writers' | 'readers'>>(topic: T, drawn: readonly Drawn[]): T {
  const { name, writers, readers } = topic
  const users = (of: 'sources' | 'sinks') => drawn.filter((one) => one[of].includes(name)).map(({ bee }) => bee.name)
  return { ...topic, writers: [...new Set([...writers, ...users('sinks')])], readers: [...new Set([...readers, ...users('sources')])] }
}

function newTopics({ topics, applicationId }: SwarmPlan, drawn: readonly Drawn[], { internalTopics }: Topology): readonly PlannedTopic[] {
  const known = new Set(topics.map(({ name }) => name))
  const names = new Set(drawn.flatMap(({ sources, sinks }) => [...sources, ...sinks]).filter((name) => !known.has(name)))
  const own = new Map([...internalTopics].map(([name, partitions]) => [internalTopic(applicationId, name), partitions]))
  return [...names].map((name) => {
    const partitions = own.get(name) ?? topics[0]?.partitions ?? 1
    return usedBy({ name, partitions, cleanup: 'delete', retentionMs: null, writers: [], readers: [], isForeign: !own.has(name) }, drawn)
  })
}
