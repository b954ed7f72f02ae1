import assert from 'node:assert/strict'
import { it } from 'node:test'
import { mediaTypeOf } from '../../topology/media-type.ts'

it('A media type is the content type in lower case without its parameters', () => {
  const types = ['application/json', 'Application/JSON', ' text/plain ; charset=utf-8', 'application/cloudevents+json', ';', '', null, undefined]
  const expected = ['application/json', 'application/json', 'text/plain', 'application/cloudevents+json', '', '', '', '']
  assert.deepEqual(types.map(mediaTypeOf), expected)
})
