export type { TestDriverConfig } from './driven-program.ts'
export type { InputTimes, ListTimes, PipedRecord, TestInputTopic } from './test-input-topic.ts'
export type { TestOutputTopic } from './test-output-topic.ts'
export { TopologyTestDriver } from './topology-test-driver.ts'
