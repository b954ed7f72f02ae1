export { type TestDriverConfig, type TestInputTopic, type TestOutputTopic, TopologyTestDriver } from './topology-test-driver.ts'
