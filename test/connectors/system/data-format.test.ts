import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { checkDataFormat, hadLog, writeLogMade } from '../../../connectors/system/data-format.ts'

describe('The version of a data directory', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-format-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const write = (text: string) => writeFileSync(join(directory, 'FORMAT'), text)
  const read = () => readFileSync(join(directory, 'FORMAT'), 'utf8')

  it('is written if the directory has no version yet, and accepted at each later start', () => {
    const fresh = join(directory, 'new')
    checkDataFormat(fresh)
    checkDataFormat(fresh)
    assert.equal(readFileSync(join(fresh, 'FORMAT'), 'utf8'), '2\n')
  })

  it('is brought up to date if it is older', () => {
    write('1\n')
    checkDataFormat(directory)
    assert.equal(read(), '2\n')
  })

  it('is refused if it is newer, and left unchanged', () => {
    write('3\n')
    assert.throws(() => checkDataFormat(directory), { code: 'WAGGLE_DATA_FORMAT', message: /has the format 3.*knows formats up to 2/ })
    assert.equal(read(), '3\n')
  })

  for (const text of ['', '\0\0', '2x', '-1', '0']) {
    it(`is refused if its file contains ${JSON.stringify(text)}`, () => {
      write(text)
      assert.throws(() => checkDataFormat(directory), { code: 'WAGGLE_DATA_FORMAT', message: /is damaged/ })
    })
  }

  it('tells whether the directory has ever had a log, even without a FORMAT file', () => {
    assert.equal(hadLog(directory), false)
    mkdirSync(join(directory, 'clickhouse'))
    assert.equal(hadLog(directory), true)
    mkdirSync(join(directory, 'state'))
    assert.equal(hadLog(directory), false, 'it was used with Kafka')
    writeLogMade(directory)
    assert.equal(hadLog(directory), true)
  })
})
