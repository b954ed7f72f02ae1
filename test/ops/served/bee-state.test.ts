import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import type { BeeRow } from '../../../topology/swarm/swarm-management.ts'
import { ServerHere } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

/** A program that dies at the input "die", and that says hello only while the file `hold` is absent. */
const program = `
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { createInterface } = require('node:readline')
const begin = () => {
  if (existsSync(join(__dirname, 'hold'))) return setTimeout(begin, 20)
  console.log('{"waggle":1}')
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, json } = JSON.parse(line)
    if (json === 'die') process.exit(1)
    if (json !== undefined) console.log(JSON.stringify({ id, json }))
  })
}
begin()
`

it('A bee whose process has died is restarting while its swarm runs, and each row names the process that gives it', async () => {
  await using server = await ServerHere.open()
  server.write('bee.cjs', program)
  const command = `[${process.execPath}, ${join(server.root, 'bee.cjs')}]`
  const text = `name: one
bees:
  - {name: entrance, type: gateway-input, spec: {name: one}}
  - {name: work, type: container, input: {name: entrance}, spec: {command: ${command}}}
  - {name: answer, type: respond, input: {name: work}}
`
  const created = await server.call('POST', '/v1/swarms', text)
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const rowsIn = async (state: BeeRow['state']) =>
    eventually(async () => {
      const rows = (await server.call('GET', '/v1/swarms/one/bees')).body as readonly BeeRow[]
      return rows.find(({ name }) => name === 'work')?.state === state ? rows : null
    })
  await rowsIn('running')
  server.write('hold', '')
  const answer = server.ask('one', 'die')
  const rows = await rowsIn('restarting')
  assert.deepEqual(
    rows.map(({ name, state }) => [name, state]),
    [
      ['entrance', 'running'],
      ['work', 'restarting'],
      ['answer', 'running'],
    ],
  )
  const { instance } = (await server.call('GET', '/v1/process')).body as { readonly instance: string }
  assert.deepEqual([...new Set(rows.map((row) => row.instance))], [instance])
  rmSync(join(server.root, 'hold'))
  await rowsIn('running')
  assert.equal((await answer).status, 502)
})
