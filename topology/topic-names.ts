/** Every name that is visible outside the process has its function in this file. */
export const gatewayTopic = (gateway: string): string => `waggle.gateway.${gateway}`
export const beeTopic = (swarm: string, bee: string): string => `waggle.${swarm}.${bee}`
export const deadLetterTopic = (swarm: string): string => `waggle.${swarm}.dead-letters`
/** The swarm whose dead letters are in this topic; null for any other topic. */
export const swarmOfDeadLetters = (topic: string): string | null => /^waggle\.([^.]+)\.dead-letters$/.exec(topic)?.[1] ?? null
export const applicationIdOf = (swarm: string): string => `waggle.${swarm}`
/**
 * The topic of the secret from which request ids are made. A program that can read this topic can compute the request ids of all callers, so few
 * programs should be allowed to read it.
 */
export const idSecretTopic = 'waggle.id-secret'
/** The topic of the data directory that has the large payloads of a cluster. */
export const claimStoreTopic = 'waggle.claim-store'
/** The compacted topic of the swarms that a server runs. */
export const definitionsTopic = 'waggle.definitions'
/** The compacted topic of the tokens that were created at the servers of a cluster. It has hashes of their secrets. */
export const tokensTopic = 'waggle.tokens'
/** The topics that belong to Waggle itself and to no swarm. */
export const ownTopics: readonly string[] = [idSecretTopic, claimStoreTopic, definitionsTopic, tokensTopic]
/** Names an internal topic as Kafka Streams does. */
export const internalTopic = (applicationId: string, name: string): string => `${applicationId}-${name}`
export const repartitionTopic = (applicationId: string, name: string): string => internalTopic(applicationId, `${name}-repartition`)
export const changelogTopic = (applicationId: string, store: string): string => `${applicationId}-${store}-changelog`
