import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { handOver } from '../../../processor/assignment/hand-over.ts'
import { tasksOfShapes } from './groups.ts'

describe('A task that moves to another process', () => {
  const [stateless, stateful] = tasksOfShapes([
    { partitions: 1, isStateful: false, gpus: 0 },
    { partitions: 1, isStateful: true, gpus: 0 },
  ])
  assert.ok(stateless !== undefined && stateful !== undefined)
  const nothing = { active: [], standbys: [], warmups: [], plan: { active: [], standbys: [] } }
  const wanted = new Map([
    ['old', nothing],
    ['new', { ...nothing, active: [stateless, stateful] }],
  ])

  it('is assigned to no process while its old owner reads it, and the new owner keeps a copy of its state', () => {
    const given = handOver(wanted, new Map([['old', [...stateless.inputs, ...stateful.inputs]]]))
    assert.deepEqual(given.get('new'), { ...nothing, standbys: [stateful] })
    assert.deepEqual(given.get('old')?.active, [])
  })

  it('is assigned to its new owner after the old owner has released it', () => {
    assert.deepEqual(handOver(wanted, new Map([['old', []]])).get('new')?.active, [stateless, stateful])
  })

  it('waits until all of its inputs are released', () => {
    const task = {
      ...stateless,
      inputs: [
        { topic: 'a', partition: 0 },
        { topic: 'b', partition: 0 },
      ],
    }
    const given = handOver(new Map([['new', { ...nothing, active: [task] }]]), new Map([['old', [{ topic: 'b', partition: 0 }]]]))
    assert.deepEqual(given.get('new')?.active, [])
  })

  it('is given to neither process while both report that they read it', () => {
    const given = handOver(
      new Map([['new', { ...nothing, active: [stateless] }]]),
      new Map([
        ['old', stateless.inputs],
        ['new', stateless.inputs],
      ]),
    )
    assert.deepEqual(given.get('new')?.active, [])
  })
})
