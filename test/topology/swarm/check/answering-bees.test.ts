import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'

const registry = new BeeRegistry()
const entrance = '  - {name: in, type: gateway-input, spec: {name: g}}'

describe('A swarm without a respond bee', () => {
  it('is answered by its last bee, if that bee may answer', () => {
    assert.deepEqual(answerOf([call('first', 'in'), call('last', 'first')]), { name: 'respond', input: { kind: 'name', bees: ['last'] } })
  })

  it('is answered by whichever of several last bees comes first', () => {
    assert.deepEqual(answerOf([call('left', 'in'), call('right', 'in')]), { name: 'respond', input: { kind: 'stack', bees: ['left', 'right'] } })
  })

  it('gets no answer if its last bee cannot answer', () => {
    assert.equal(answerOf([call('first', 'in'), '  - {name: save, type: save-to-database, input: {name: first}, spec: {table: t}}']), null)
    assert.equal(answerOf(['  - {name: last, type: module, input: {name: in}, spec: {file: ./a.ts}}']), null)
  })

  it('gets a respond bee with an unused name', () => {
    assert.equal(answerOf([call('respond', 'in'), call('respond-2', 'respond')])?.name, 'respond-3')
  })
})

it('A swarm with a respond bee gets no second respond bee', () => {
  const bees = [call('first', 'in'), call('aside', 'in'), '  - {name: answer, type: respond, input: {name: first}}']
  assert.deepEqual(answerOf(bees), { name: 'answer', input: { kind: 'name', bees: ['first'] } })
})

function call(name: string, input: string): string {
  return `  - {name: ${name}, type: container, input: {name: ${input}}, spec: {command: [true]}}`.replace('[true]', '["true"]')
}

function answerOf(bees: readonly string[]): { readonly name: string; readonly input: unknown } | null {
  const swarm = checkSwarm(SwarmDocument.parse(['name: s', 'bees:', entrance, ...bees].join('\n'), 'swarm.yaml'), registry)
  const [answer, second] = swarm.bees.filter(({ type }) => type.role === 'respond')
  assert.equal(second, undefined)
  return answer === undefined ? null : { name: answer.name, input: answer.input }
}
