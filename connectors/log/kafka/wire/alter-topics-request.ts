import type { RawRequest } from '../cluster/connections.ts'
import { WireReader, WireWriter } from './wire.ts'

export interface TopicChange {
  readonly name: string
  readonly settings: ReadonlyMap<string, string>
}

export interface TopicChangeAnswer {
  readonly name: string
  readonly errorCode: number
  readonly message: string | null
}

/** IncrementalAlterConfigs v1 (KIP-339) for topics. Settings that the request does not name stay as they are. */
export function alterTopicsRequest(changes: readonly TopicChange[]) {
  const writer = new WireWriter()
  writer.length(changes.length)
  for (const { name, settings } of changes) {
    writer.int8(topicResource).text(name).length(settings.size)
    for (const [setting, value] of settings) writer.text(setting).int8(set).text(value).noTags()
    writer.noTags()
  }
  writer.int8(0).noTags()
  return { key: 44, version: 1, payload: [writer.done()], parse } satisfies RawRequest<readonly TopicChangeAnswer[]>
}

function parse(answer: Buffer): readonly TopicChangeAnswer[] {
  const reader = new WireReader(answer)
  reader.int32()
  return Array.from({ length: reader.length() }, () => {
    const errorCode = reader.int16()
    const message = reader.text()
    reader.int8()
    const name = reader.text() ?? ''
    reader.tags()
    return { name, errorCode, message }
  })
}

const topicResource = 2
const set = 0
