export interface LogNames {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** Applications that are known to have stores. */
  readonly applications: readonly string[]
}

/** The parts of an application, found by their names. */
export interface InferredParts {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** Groups whose name could also be another application's id. */
  readonly unsure: readonly string[]
}

/**
 * Finds an application's internal topics and groups by their names, as Kafka's `kafka-streams-application-reset` does. Topics and groups of another
 * application whose id begins with this id and a hyphen are left out.
 */
export function inferredParts(applicationId: string, { topics, groups, applications }: LogNames): InferredParts {
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

/** Matches a generated name of a source. If two sub-topologies read the same topic, each has its own group, which is named after its first node. */
const generatedNode = /^K(STREAM|TABLE)-[A-Z-]+-\d{10}$/
