/** The exports of the package `waggle-streams/testing`. */
export type { TestDriverConfig } from '../../processor/simulation/driven-program.ts'
export type { InputTimes, ListTimes, PipedRecord, TestInputTopic } from '../../processor/simulation/test-input-topic.ts'
export type { TestOutputTopic } from '../../processor/simulation/test-output-topic.ts'
export { TopologyTestDriver } from '../../processor/simulation/topology-test-driver.ts'
export type { DeadLetterSeen } from './driven-swarm.ts'
export type { Fakes } from './fake-models.ts'
export { SwarmTestDriver, type SwarmTestOptions } from './swarm-test-driver.ts'
export type { Answer } from './test-requests.ts'
