import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { FileFlightRecorder } from '../../../connectors/system/flight-recorder.ts'

let file = ''

/** Begins calls as a process does that dies in them. */
const dyingIn = (...calls: readonly (readonly string[])[]) => {
  const recorder = FileFlightRecorder.open(file)
  for (const records of calls) recorder.begin(records)
  recorder.write()
}

/** Opens the file as the process after a death does: the file was not closed. */
const afterDeath = () => deathsOf(FileFlightRecorder.open(file))
/** The deaths that the next process would count. The file itself stays as it is. */
const afterDeathOf = (path: string) => {
  const copy = `${path}-copy`
  copyFileSync(path, copy)
  return deathsOf(FileFlightRecorder.open(copy))
}
/** All deaths and all deaths without other flights, by record. */
const deathsOf = ({ suspects }: FileFlightRecorder) => Object.fromEntries([...suspects].map(([record, { all, alone }]) => [record, [all, alone]]))

describe('The flight recorder', () => {
  beforeEach(() => {
    file = join(mkdtempSync(join(tmpdir(), 'waggle-flights-')), 'data', 'flights')
  })

  it('lists the records that were in flight at a death, and no record that had ended', () => {
    const recorder = FileFlightRecorder.open(file)
    const ended = recorder.begin(['1', '2'])
    recorder.begin(['3', '4'])
    ended()
    recorder.write()
    assert.deepEqual(afterDeath(), { '3': [1, 0], '4': [1, 0] })
  })

  it('counts the deaths of a record, and separately the deaths at which no other record was in flight', () => {
    dyingIn(['1', '2'])
    dyingIn(['1'])
    assert.deepEqual(afterDeath(), { '1': [2, 1], '2': [1, 0] })
    dyingIn(['1'])
    assert.deepEqual(afterDeath(), { '1': [3, 2], '2': [1, 0] })
  })

  it('forgets the deaths of a record that has succeeded', () => {
    dyingIn(['1', '2'])
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['1'])()
    recorder.write()
    assert.deepEqual(deathsOf(recorder), { '2': [1, 0] })
    assert.deepEqual(afterDeath(), { '2': [1, 0] })
  })

  it('is deleted at an orderly stop', () => {
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['1'])
    recorder.close()
    assert.equal(existsSync(file), false)
  })

  it('notes an end by itself when no other call begins in the same turn of the event loop', async () => {
    const recorder = FileFlightRecorder.open(file)
    const ended = recorder.begin(['1'])
    recorder.write()
    ended()
    assert.deepEqual(afterDeathOf(file), { '1': [1, 1] })
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(afterDeathOf(file), {})
  })

  it('skips truncated lines', () => {
    dyingIn(['1'])
    appendFileSync(file, '[1,["2"]\n[2,["3"')
    assert.deepEqual(afterDeath(), { '1': [1, 1] })
  })

  it('keeps its file small and forgets no death, regardless of the process’s run time', () => {
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['still flying'])
    for (let call = 0; call < 20_000; call++) {
      const ended = recorder.begin([`${call}-${'x'.repeat(90)}`])
      recorder.write()
      ended()
    }
    recorder.write()
    assert.ok(statSync(file).size < 1024 * 1024)
    assert.deepEqual(afterDeath(), { 'still flying': [1, 1] })
  })

  it('reports damaged lines, and reads the other lines', () => {
    dyingIn(['1', '2'])
    appendFileSync(file, 'damage\n[1]x\n[7,"no list"]\n{"3":7}\n')
    const notices: string[] = []
    const recorder = FileFlightRecorder.open(file, { onNotice: (notice) => notices.push(notice) })
    assert.deepEqual(deathsOf(recorder), { '1': [1, 0], '2': [1, 0] })
    assert.match(notices.join(), /^4 lines of .*flights are damaged/)
  })
})
