/** The exports of the package `waggle-streams/testing`. */
export type { InputTimes, ListTimes, PipedRecord, TestDriverConfig, TestInputTopic, TestOutputTopic } from '../../processor/simulation/testing.ts'
export { TopologyTestDriver } from '../../processor/simulation/testing.ts'
export type { DeadLetterSeen } from './driven-swarm.ts'
export type { Fakes } from './fake-models.ts'
export { SwarmTestDriver, type SwarmTestOptions } from './swarm-test-driver.ts'
export type { Answer } from './test-requests.ts'
