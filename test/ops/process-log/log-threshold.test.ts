import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isLogLevels, LogThreshold } from '../../../ops/process-log/log-threshold.ts'

const shown = (setting: string, module: string, swarm?: string) =>
  (['debug', 'info', 'warn', 'error'] as const).filter((level) => LogThreshold.parse(setting).shows(level, module, swarm)).join(' ')

it('A log level shows the lines of this level and of more urgent levels, for every module', () => {
  assert.equal(shown('debug', 'gateway'), 'debug info warn error')
  assert.equal(shown('info', 'gateway'), 'info warn error')
  assert.equal(shown('warn', 'gateway'), 'warn error')
  assert.equal(shown('error', ''), 'error')
})

it('A module has its own log level, otherwise the level of its swarm, otherwise info', () => {
  assert.equal(shown('gateway=debug', 'gateway'), 'debug info warn error')
  assert.equal(shown('gateway=debug', 'clickhouse'), 'info warn error')
  assert.equal(shown('error, teddy=warn, svm = debug', 'svm', 'teddy'), 'debug info warn error')
  assert.equal(shown('error, teddy=warn, svm = debug', 'resnet', 'teddy'), 'warn error')
  assert.equal(shown('error, teddy=warn, svm = debug', 'gateway'), 'error')
})

it('A log setting that is not a list of levels is refused', () => {
  for (const right of ['info', 'gateway=debug', 'warn, my-bee=debug,other=error']) assert.ok(isLogLevels(right), right)
  for (const wrong of ['', 'loud', 'gateway', 'gateway=', '=debug', 'info,', 'info warn', 'a=b=info']) assert.ok(!isLogLevels(wrong), wrong)
})
