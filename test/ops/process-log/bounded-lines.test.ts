import assert from 'node:assert/strict'
import { it } from 'node:test'
import { auditLine } from '../../../ops/process-log/audit-line.ts'
import { BoundedLines } from '../../../ops/process-log/bounded-lines.ts'
import type { LogFields } from '../../../ops/process-log/log-line.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

function scene() {
  const said: { readonly module: string; readonly message: string; readonly fields: LogFields | undefined }[] = []
  const clock = new SimulatedClock()
  const lines = new BoundedLines({ clock, say: (module, _, message, fields) => said.push({ module, message, fields }) })
  return { said, clock, lines }
}

it('A bee that prints without end gets a thousand log lines in ten seconds, and one more line with the number of omitted lines', async () => {
  const { said, clock, lines } = scene()
  for (let at = 0; at < 5000; at++) lines.say('loud', 'info', `line ${at}`, { swarm: 's' })
  lines.say('quiet', 'info', 'heard', { swarm: 's' })
  lines.say('loud', 'info', 'another swarm', { swarm: 't' })
  assert.equal(said.length, 1002)
  await clock.advance(10_000)
  assert.deepEqual(said.at(-1), { module: 'loud', message: '4000 more lines were left out of this log', fields: { swarm: 's', left_out: 4000 } })
  lines.say('loud', 'info', 'again', { swarm: 's' })
  assert.equal(said.at(-1)?.message, 'again')
})

it('The last log lines of a process contain the numbers of omitted lines', () => {
  const { said, lines } = scene()
  for (let at = 0; at < 1001; at++) lines.say('', 'info', `line ${at}`)
  lines.close()
  assert.deepEqual(said.at(-1), { module: '', message: '1 more lines were left out of this log', fields: { left_out: 1 } })
})

it('Calls without permission cannot hide a call with permission from the audit log', async () => {
  const { said, clock, lines } = scene()
  const call = { method: 'POST', path: '/v1/backups', requestId: 'r' }
  for (let at = 0; at < 5000; at++) auditLine(lines.say, { ...call, caller: '', status: 401, isRefused: true, target: '', flags: [] })
  for (let at = 0; at < 2000; at++) auditLine(lines.say, { ...call, caller: 'token:root', status: 201, isRefused: false, target: '', flags: [] })
  assert.equal(said.filter(({ message }) => message === 'token:root POST /v1/backups 201').length, 2000)
  assert.deepEqual(said[0], { module: 'audit', message: 'anybody POST /v1/backups 401', fields: { request_id: 'r', refused: true } })
  await clock.advance(10_000)
  assert.equal(said.at(-1)?.message, '4000 more lines were left out of this log')
  assert.equal(said.length, 3001)
})

it('A bee with the name of the audit log has the same limit as any other bee', () => {
  const { said, lines } = scene()
  for (let at = 0; at < 2000; at++) lines.say('audit', 'info', 'line', { swarm: 's' })
  assert.equal(said.length, 1000)
})
