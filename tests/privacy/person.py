"""A person who is nobody: values of every kind, to be looked for where they must not stand."""

EMAIL = "zora.quill@canary-mail.example"
PHONE = "+49 30 901820"
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
NATIONAL_ID = "853-37-1694"
IP = "81.2.69.142"
MAC = "00:1b:44:11:3a:b7"
CREDENTIALS = "zora:Tr0ubadour9"
SECRET = "ghp_q7w8e9r0t1y2u3i4o5p6a7s8d9f0g1h2j3k4"
BIRTH_DATE = "24 March 1987"

VALUES = (EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP, MAC, CREDENTIALS, SECRET, BIRTH_DATE)
SAID = (
    f"I am {EMAIL}, call me at {PHONE}. Card {CARD}, account {IBAN}, SSN {NATIONAL_ID}. My server is {IP}, "
    f"its card {MAC}, https://{CREDENTIALS}@git.canary.example/x, token {SECRET}. I was born on {BIRTH_DATE}."
)
