/**
 * The settings of a broker whose clients may sign in by password or by token. `users`: in the form of the PLAIN module, `user_<name>="<password>"`.
 */
export function signInSettings(users: string): { readonly [name: string]: string } {
  const modules = 'org.apache.kafka.common.security'
  const own = 'listener.name.client'
  return {
    [`${own}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    [`${own}.plain.sasl.jaas.config`]: `${modules}.plain.PlainLoginModule required ${users};`,
    [`${own}.scram-sha-256.sasl.jaas.config`]: `${modules}.scram.ScramLoginModule required;`,
    [`${own}.scram-sha-512.sasl.jaas.config`]: `${modules}.scram.ScramLoginModule required;`,
    [`${own}.oauthbearer.sasl.jaas.config`]: `${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
    [`${own}.oauthbearer.sasl.server.callback.handler.class`]: `${modules}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
  }
}

/** A token that the brokers' unsecured validator accepts for an hour. */
export function unsignedToken(subject: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now - 10, exp: now + 3600 })}.`
}
