import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Sensor } from '../../../processor/metrics/sensor.ts'

describe('A sensor of metrics', () => {
  it('has the average and the extremes of its last two windows of 30 s, and totals since its start', () => {
    const time = { now: 1000 }
    const sensor = new Sensor(time)
    for (const value of [4, 8]) sensor.record(value)
    assert.deepEqual([sensor.average(1000), sensor.least(1000), sensor.most(1000)], [6, 4, 8])
    time.now = 32_000
    sensor.record(1)
    assert.deepEqual([sensor.average(32_000), sensor.most(32_000)], [13 / 3, 8])
    // The last record of the first window is a minute old.
    assert.deepEqual([sensor.average(61_000), sensor.most(61_000)], [1, 1])
    assert.deepEqual([sensor.count, sensor.sum], [3, 13])
  })

  it('has no value if nothing was recorded within its windows', () => {
    const sensor = new Sensor({ now: 0 })
    sensor.record(5)
    assert.deepEqual([sensor.average(60_000), sensor.least(60_000), sensor.most(60_000)], [Number.NaN, Number.NaN, Number.NaN])
    assert.equal(sensor.countPerSecond(60_000), 0)
  })

  it('has a rate over at least one whole window, so that a new sensor does not begin with a high rate', () => {
    const time = { now: 0 }
    const sensor = new Sensor(time)
    for (let count = 0; count < 60; count++) sensor.record(10)
    assert.equal(sensor.countPerSecond(0), 2)
    assert.equal(sensor.sumPerSecond(0), 20)
    assert.equal(sensor.countPerSecond(15_000), 60 / 45)
    time.now = 40_000
    sensor.record(10)
    assert.equal(sensor.countPerSecond(40_000), 61 / 40)
  })
})
