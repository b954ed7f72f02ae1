import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { FileFlightRecorder } from '../../../connectors/system/flight-recorder.ts'

let file = ''
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'waggle-flights-')), 'data', 'flights')
})

/** Opens the file as the process after a death does: nothing was closed. */
const afterDeath = () => Object.fromEntries(FileFlightRecorder.open(file).suspects)

describe('The flight recorder', () => {
  it('lists the records that were in flight at a death, and none that had ended', () => {
    const recorder = FileFlightRecorder.open(file)
    const ended = recorder.begin(['1', '2'])
    recorder.begin(['3', '4'])
    ended()
    assert.deepEqual(afterDeath(), { '3': 0, '4': 0 })
  })

  it('counts a death against a record only if the record was alone in flight', () => {
    FileFlightRecorder.open(file).begin(['1', '2'])
    FileFlightRecorder.open(file).begin(['1'])
    assert.deepEqual(afterDeath(), { '1': 1, '2': 0 })
    FileFlightRecorder.open(file).begin(['1'])
    assert.deepEqual(afterDeath(), { '1': 2, '2': 0 })
  })

  it('forgets the deaths of a record that succeeded', () => {
    FileFlightRecorder.open(file).begin(['1', '2'])
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['1'])()
    assert.deepEqual(Object.fromEntries(recorder.suspects), { '2': 0 })
    assert.deepEqual(afterDeath(), { '2': 0 })
  })

  it('is deleted at an orderly stop', () => {
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['1'])
    recorder.close()
    assert.equal(existsSync(file), false)
  })

  it('skips truncated lines', () => {
    FileFlightRecorder.open(file).begin(['1'])
    appendFileSync(file, '[1,["2"]\n[2,["3"')
    assert.deepEqual(afterDeath(), { '1': 1 })
  })

  it('keeps its file small and forgets no death, however long it runs', () => {
    const recorder = FileFlightRecorder.open(file)
    recorder.begin(['still flying'])
    for (let call = 0; call < 20_000; call++) recorder.begin([`${call}-${'x'.repeat(90)}`])()
    assert.ok(statSync(file).size < 1024 * 1024)
    assert.deepEqual(afterDeath(), { 'still flying': 1 })
  })

  it('reports damaged lines, and reads the others', () => {
    FileFlightRecorder.open(file).begin(['1', '2'])
    appendFileSync(file, 'damage\n[1]x\n[7,"no list"]\n{"3":"no number"}\n')
    const notices: string[] = []
    const { suspects } = FileFlightRecorder.open(file, { onNotice: (notice) => notices.push(notice) })
    assert.deepEqual(Object.fromEntries(suspects), { '1': 0, '2': 0 })
    assert.match(notices.join(), /^4 lines of .*flights are damaged/)
  })
})
