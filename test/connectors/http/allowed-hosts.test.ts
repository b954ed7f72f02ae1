import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AllowedHosts } from '../../../connectors/http/allowed-hosts.ts'

describe('The list of hosts that models may come from', () => {
  const has = (list: string | null, address: string) => AllowedHosts.parse(list).has(new URL(address))

  it('is empty without the setting', () => {
    assert.equal(has(null, 'https://models.example/'), false)
  })

  it('allows a listed name at any port, and a name listed with a port at that port only', () => {
    assert.deepEqual(
      [
        'https://models.example/',
        'https://MODELS.example:8443/',
        'https://models.example./',
        'https://example/',
        'https://evil-models.example/',
        'https://models.example.evil/',
      ].map((address) => has('models.example', address)),
      [true, true, true, false, false, false],
    )
    assert.deepEqual(
      ['https://models.example:8443/', 'https://models.example/', 'https://other.example/'].map((address) =>
        has('models.example:8443, other.example:443', address),
      ),
      [true, false, true],
    )
  })

  it('allows a listed address in every spelling of the address', () => {
    for (const address of ['http://127.0.0.1:3/', 'http://0x7f.1/', 'http://2130706433/', 'http://[::ffff:127.0.0.1]/']) {
      assert.equal(has('127.0.0.1', address), true, address)
      assert.equal(has('models.example', address), false, address)
    }
    assert.deepEqual([has('10.0.0.0/8', 'https://10.9.8.7/'), has('10.0.0.0/8', 'https://11.0.0.1/')], [true, false])
    assert.deepEqual([has('[::1]:8443', 'https://[::1]:8443/'), has('[::1]:8443', 'https://[::1]/')], [true, false])
  })

  it('allows public addresses of a listed name, and private addresses only if they are listed too', () => {
    const named = AllowedHosts.parse('models.example')
    for (const address of ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8']) assert.equal(named.allowsAddress(address), true, address)
    const closed = ['127.0.0.1', '10.0.0.1', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255']
    const closedV6 = ['::1', '::', 'fe80::1', 'fd00::1', 'ff02::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::', '::10.0.0.1']
    for (const address of [...closed, ...closedV6]) assert.equal(named.allowsAddress(address), false, address)
    assert.equal(AllowedHosts.parse('models.example, 10.0.0.0/8').allowsAddress('10.1.2.3'), true)
    assert.equal(AllowedHosts.parse('localhost').allowsAddress('127.0.0.1'), true)
  })

  it('refuses an entry that is not a host, an address or a network', () => {
    for (const wrong of ['https://models.example', 'models.example/path', '10.0.0.0/33', 'a b', '*', 'me@host', '1.2.3.4/x']) {
      assert.throws(() => AllowedHosts.parse(wrong), RangeError, wrong)
    }
  })
})
