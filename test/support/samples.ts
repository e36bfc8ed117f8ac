/**
 * Public samples of WorkOS's formats: ciphertexts and wrapped data keys that others have published, with their
 * data keys.
 *
 * Owns constants only. The samples are what coffer must go on reading for ever.
 *
 * @module
 */

/** A wrapped data key with the key inside: published by workos-go (cryptography_test.go, 2025-04). */
export const SAMPLE_1 = {
  dataKey: "hNjAWl++MJjDZ64dUeYlgJZDEbemRmdKvNHUnnRFUNg=",
  encryptedKeys:
    "V09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUM=",
  dataKeyId: "0205e0ec-828e-5594-96ac-a68fc8257fb7",
  kekId: "cf29e68a-f32d-428a-9486-69b023bf6524",
} as const;

/** The same, from WorkOS's API reference (decryptDataKey). */
export const SAMPLE_2 = {
  dataKey: "DR9idtey9MpMrA1VRFrz30HB1yNgL2PoHZyjAkFeWgg=",
  encryptedKeys:
    "V09TLkVLTS52MQBiZjUxY2NlYy03OGI0LTUyMDAtYjM4My0zNTczMGU3MWVmNjEBATEBJDU2OWYyNDdjLTFkY2QtNDQzMC04MjRmLWQ3N2MxZDNhZmU1NgF0NTY5ZjI0N2MtMWRjZC00NDMwLTgyNGYtZDc3YzFkM2FmZTU2pWvKMbiudRtpyjYexZCX/K9ggOEioUw2c0B62kEh+oj68uuAJQWNfPKTC+mapgJPxdnMKniKxzI7a6zmHgXTK7dSOmAzJBDhDgtEiaqyKTM=",
  dataKeyId: "bf51ccec-78b4-5200-b383-35730e71ef61",
  kekId: "569f247c-1dcd-4430-824f-d77c1d3afe56",
} as const;

/** The wrapped key in all SDKs' fixtures: cut off after 126 bytes, but transported by every one of them. */
export const TRUNCATED_SAMPLE = {
  encryptedKeys:
    "V09TLkVLTS52MQBiZjUxY2NlYy03OGI0LTUyMDAtYjM4My0zNTczMGU3MWVmNjEBATEBJGJmNjVlMzI2LTQzYTAtNGIyMC04OGM0LTA3ZmYzZGU1NDM0YwF0YmY2NWUzMjYtNDNhMC00YjIwLTg4YzQtMDdmZjNkZTU0MzRj",
  dataKeyId: "bf51ccec-78b4-5200-b383-35730e71ef61",
  kekId: "bf65e326-43a0-4b20-88c4-07ff3de5434c",
} as const;

/** What each envelope below holds under the key of {@link SAMPLE_1}. */
export const SAMPLE_PLAINTEXT = "secret api key";

/** One envelope of each layout: nonce 0x07 repeated, associated data `seq1`. */
export const SAMPLE_ASSOCIATED_DATA = "seq1";
export const SAMPLE_ENVELOPES = {
  iv12: "BwcHBwcHBwcHBwcHbiJEK1aAA3dHLfVnHxL9r84BV09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUOZad7ZH/LDxKy4m3WP+g==",
  iv32: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwfMrBrBk8Kk2c4BujtO1myhzgFXT1MuRUtNLnYxADAyMDVlMGVjLTgyOGUtNTU5NC05NmFjLWE2OGZjODI1N2ZiNwEBMQEkY2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0AXRjZjI5ZTY4YS1mMzJkLTQyOGEtOTQ4Ni02OWIwMjNiZjY1MjS5Fed5aLiPyIk3i9glB8ZYlUOGTeiCRmZR1rznsYoY+Cd6jTHD4zs7lOD9nVZt889z4LmdxSmPWwfPktRpTq5LIA7jx/gJ2krd2fpSMStFQ4kIEeRujaXAXSIudEDJ",
  "leb-first":
    "zgFXT1MuRUtNLnYxADAyMDVlMGVjLTgyOGUtNTU5NC05NmFjLWE2OGZjODI1N2ZiNwEBMQEkY2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0AXRjZjI5ZTY4YS1mMzJkLTQyOGEtOTQ4Ni02OWIwMjNiZjY1MjS5Fed5aLiPyIk3i9glB8ZYlUOGTeiCRmZR1rznsYoY+Cd6jTHD4zs7lOD9nVZt889z4LmdxSmPWwfPktRpTq5LIA7jx/gJ2krd2fpSMStFQwcHBwcHBwcHBwcHB5lp3tkf8sPErLibdY/6biJEK1aAA3dHLfVnHxL9rw==",
  dotnet:
    "BwcHBwcHBwcHBwcHbiJEK1aAA3dHLfVnHxL9r5QCVjA5VExrVkxUUzUyTVFBd01qQTFaVEJsWXkwNE1qaGxMVFUxT1RRdE9UWmhZeTFoTmpobVl6Z3lOVGRtWWpjQkFURUJKR05tTWpsbE5qaGhMV1l6TW1RdE5ESTRZUzA1TkRnMkxUWTVZakF5TTJKbU5qVXlOQUYwWTJZeU9XVTJPR0V0WmpNeVpDMDBNamhoTFRrME9EWXROamxpTURJelltWTJOVEkwdVJYbmVXaTRqOGlKTjR2WUpRZkdXSlZEaGszb2drWm1VZGE4NTdHS0dQZ25lbzB4dytNN081VGcvWjFXYmZQUGMrQzVuY1VwajFzSHo1TFVhVTZ1U3lBTzQ4ZjRDZHBLM2RuNlVqRXJSVU09mWne2R/yw8SsuJt1j/o=",
} as const;

/** An envelope that workos-go itself wrote and published (TestLocalDecrypt): layout iv32, no associated data. */
export const OFFICIAL_IV32_ENVELOPE =
  "hp2N0+hNnd4fYJikRre/1FtNE77Nn4Zi1q781iDv2dq5zpsMyXo1VT8UF2PC2NdXzgFXT1MuRUtNLnYxADAyMDVlMGVjLTgyOGUtNTU5NC05NmFjLWE2OGZjODI1N2ZiNwEBMQEkY2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0AXRjZjI5ZTY4YS1mMzJkLTQyOGEtOTQ4Ni02OWIwMjNiZjY1MjS5Fed5aLiPyIk3i9glB8ZYlUOGTeiCRmZR1rznsYoY+Cd6jTHD4zs7lOD9nVZt889z4LmdxSmPWwfPktRpTq5LIA7jx/gJ2krd2fpSMStFQ5ai/gJ1h2aXp46PyHNJ";
