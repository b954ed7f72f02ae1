import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { it } from 'node:test'
import { metricsPage } from '../../../ops/check/metrics-page.ts'

const page = readFileSync(resolve(import.meta.dirname, '..', '..', '..', 'docs/metrics.md'), 'utf8')

it('The page of metrics is made from the table of metrics', () => {
  assert.equal(metricsPage(page), page)
  assert.equal(metricsPage(page.replace('Tasks of the swarm', 'Chores of the swarm')), page)
  assert.throws(() => metricsPage('# Metrics'), /has no line/)
})
