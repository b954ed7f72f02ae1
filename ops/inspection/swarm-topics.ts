import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { beeTopic, gatewayTopic } from '../../topology/topic-names.ts'

/** True for a topic that, by its name, only this swarm writes and reads: a bee's topic or a repartition topic. */
export function isOwnTopic(swarm: string, topic: string): boolean {
  return topic.startsWith(beeTopic(swarm, '')) || isRepartitionOf(swarm, topic)
}

function isRepartitionOf(swarm: string, topic: string): boolean {
  return topic.startsWith(`waggle.${swarm}-`) && /^waggle\.[a-z0-9-]+-repartition$/.test(topic)
}

export interface KnownSwarms {
  /** The plans of the swarms that run in this process. */
  readonly plans: readonly SwarmPlan[]
  /** Lists the names of all swarms of the log. */
  readonly swarms: () => Promise<readonly string[]>
}

/**
 * True for a topic that the swarm reads, so that a retry may write to it. If the swarm runs in this process, its plan decides. Otherwise the name of
 * the topic decides. If the log has the swarms `shop` and `shop-b`, `waggle.shop-b-x-repartition` is a topic of `shop-b`.
 */
export async function isReadBy(swarm: string, topic: string, { plans, swarms }: KnownSwarms): Promise<boolean> {
  const plan = plans.find((one) => one.swarm === swarm)
  if (plan !== undefined) return plan.topics.some(({ name, readers }) => name === topic && readers.length > 0)
  if (topic.startsWith(gatewayTopic('')) || topic.startsWith(beeTopic(swarm, ''))) return true
  if (!isRepartitionOf(swarm, topic)) return false
  return !(await swarms()).some((other) => other.startsWith(`${swarm}-`) && isRepartitionOf(other, topic))
}
