import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { DiskState } from '../../../processor/state/disk-state.ts'

describe('A task’s state beside its changelogs', () => {
  it('contains each commit that succeeded, and none that ends after the task has left, because another task may use the disk then', () => {
    const disk = new SimulatedStateDirectory(new SimulatedStateFiles('p')).open('0_0')
    const key = Buffer.from('k')
    const change = (value: string) => ({
      changes: [{ task: '0_0', store: 'counts', entries: [[key, Buffer.from(value)]] as const, logged: null }],
      positions: [],
      kept: [],
    })
    const before = new DiskState(disk, [])
    before.write(change('1'), [])
    before.close()
    new DiskState(disk, []).write(change('3'), [])
    before.write(change('2'), [])
    assert.equal(String(disk.store('counts').get(key)), '3')
  })
})
