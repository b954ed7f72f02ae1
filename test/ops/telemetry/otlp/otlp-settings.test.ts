import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { otlpSettings } from '../../../../ops/telemetry/otlp/otlp-settings.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

describe('The variables of OpenTelemetry', () => {
  it('send nothing without an endpoint, or if the SDK is disabled', () => {
    assert.equal(otlpSettings({}), null)
    assert.equal(otlpSettings({ OTEL_SERVICE_NAME: 'shop', OTEL_TRACES_EXPORTER: 'otlp' }), null)
    assert.equal(otlpSettings({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }), null)
    assert.equal(otlpSettings({ ...endpoint, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }), null)
  })

  it('choose the protocol of all signals, and of a single signal', () => {
    assert.deepEqual(otlpSettings(endpoint)?.protocols, { traces: 'http/protobuf', metrics: 'http/protobuf', logs: 'http/protobuf' })
    const chosen = otlpSettings({
      ...endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
    })
    assert.deepEqual(chosen?.protocols, { traces: 'grpc', metrics: null, logs: 'http/json' })
    const traces = otlpSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' })
    assert.deepEqual(traces?.protocols, { traces: 'http/protobuf', metrics: null, logs: null })
  })

  it('choose the sampler', () => {
    assert.deepEqual(otlpSettings(endpoint)?.sampler, { isParentBased: true, root: 'on', ratio: 1 })
    const some = otlpSettings({ ...endpoint, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' })
    assert.deepEqual(some?.sampler, { isParentBased: true, root: 'ratio', ratio: 0.25 })
    assert.deepEqual(otlpSettings({ ...endpoint, OTEL_TRACES_SAMPLER: 'always_off' })?.sampler, { isParentBased: false, root: 'off', ratio: 1 })
  })

  it('limit the queues, and no batch is larger than its queue', () => {
    assert.deepEqual(otlpSettings(endpoint)?.spans, {
      maxQueueSize: 2048,
      maxExportBatchSize: 512,
      scheduledDelayMillis: 5000,
      exportTimeoutMillis: 30_000,
    })
    const { spans } = otlpSettings({ ...endpoint, OTEL_BSP_MAX_QUEUE_SIZE: '100' }) ?? assert.fail()
    assert.deepEqual([spans.maxQueueSize, spans.maxExportBatchSize], [100, 100])
  })

  it('are ignored with a remark if their values are wrong', () => {
    const wrong = { OTEL_TRACES_SAMPLER: 'sometimes', OTEL_BSP_MAX_QUEUE_SIZE: '-1', OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon' }
    const settings = otlpSettings({ ...endpoint, ...wrong })
    assert.deepEqual([settings?.sampler.root, settings?.spans.maxQueueSize, settings?.protocols.traces], ['on', 2048, 'http/protobuf'])
    assert.deepEqual(
      settings?.remarks.map((remark) => remark.split(' ', 1)[0]),
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_TRACES_SAMPLER', 'OTEL_BSP_MAX_QUEUE_SIZE'],
    )
  })
})
