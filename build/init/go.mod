module imagemill/init

go 1.27
