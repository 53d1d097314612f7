"""Chat templates of every kind that breaks memory layers, written for these tests in the manner of real ones.

All speak ChatML, which the packaged model was trained on.
"""

MESSAGE = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
END = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

PLAIN = "{% for m in messages %}" + MESSAGE + "{% endfor %}" + END

# Mistral, Gemma 2: after an optional system message, user and assistant in turn, user first.
STRICT = (
    "{% set log = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for m in log %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% endfor %}"
    "{% if log | length == 0 %}{{ raise_exception('No user query found in messages.') }}{% endif %}" + PLAIN
)

# Gemma 2. llama.cpp notices, and puts the system text into the first user message itself.
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% endfor %}" + PLAIN
)

# Templates that know two roles and say nothing of a third; likewise.
SYSTEM_LEFT_OUT = "{% for m in messages if m.role != 'system' %}" + MESSAGE + "{% endfor %}" + END

# Mistral 7B v0.3: the system text stands before the last user message.
SYSTEM_LATE = (
    "{% set system = messages[0].content + '\\n\\n' if messages[0].role == 'system' else '' %}"
    "{% set log = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for m in log %}{% set lead = system if loop.last and m.role == 'user' else '' %}"
    "{{ '<|im_start|>' + m.role + '\\n' + lead + m.content + '<|im_end|>\\n' }}{% endfor %}" + END
)

# Llama 3.1 to 3.3: a date that can be given.
DATE_GIVEN = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{{ '<|im_start|>system\\nToday Date: ' + date_string + '\\n\\n' }}"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% set log = messages[1:] %}"
    "{% else %}{% set log = messages %}{% endif %}{{ '<|im_end|>\\n' }}"
    "{% for m in log %}" + MESSAGE + "{% endfor %}" + END
)

# gpt-oss: a date that cannot.
DATE_STAMPED = (
    "{{ '<|im_start|>system\\nCurrent date: ' + strftime_now('%Y-%m-%d') + '<|im_end|>\\n' }}" + PLAIN
)

# Qwen 3: reasoning of earlier turns is left out; and templates that keep it.
REASONING_DROPPED = PLAIN
REASONING_KEPT = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}"
    "{{ m.content + '<|im_end|>\\n' }}{% endfor %}" + END
)

# Nothing helps here.
COUNTING = "{{ '<|im_start|>system\\n' + messages | length | string + ' messages<|im_end|>\\n' }}" + PLAIN
LAST_TURN_ONLY = (
    "{% for m in messages %}{% if m.role == 'system' or loop.last %}"
    + MESSAGE
    + "{% endif %}{% endfor %}"
    + END
)
# Not at once: llama.cpp does not start with a template that refuses its own trials of up to four messages.
REFUSING = "{% if messages | length > 4 %}{{ raise_exception('Not today.') }}{% endif %}" + PLAIN
