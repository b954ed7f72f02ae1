import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { skipWithoutPython } from '../support/python-bee.ts'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

describe('The timeseries swarm', { skip: skipWithoutPython }, () => {
  it('forecasts as its README shows, and refuses an input that is not a series, with the line and the reason', async () => {
    await using swarm = await ShelfSwarm.run('timeseries')
    await swarm.answersAsReadmeShows()
    const cases: readonly (readonly [string, RegExp])[] = [
      ['day,value\n', /first line names the columns/],
      ['date,value\n', /no line below its header/],
      ['date,value\n2026-01-01,1\n2026-01-02,many\n', /Line 3 is not a date and a number/],
      ['date,value\n2026-01-01,1\n2026-01-01,2\n', /Line 3 has the date 2026-01-01 a second time/],
      ['date,value\n2026-01-01,NaN\n', /Line 2 has a value outside/],
      ['date,value\n2026-01-01,1\n2026-01-02,1\n', /needs 21 days; 2 came/],
      ['date,value\n2026-01-01,1\n2036-02-01,1\n', /span more than 3660 days/],
      ['date,value\n9999-12-30,1\n9999-12-31,1\n', /end in 9999/],
    ]
    for (const [csv, reason] of cases) {
      const { status, body } = await swarm.request('forecast', csv, 'text/csv')
      assert.equal(status, 422, csv)
      assert.match((body as { readonly detail: string }).detail, reason)
    }
  })
})
